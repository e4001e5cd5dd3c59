import js from "@eslint/js";
import globals from "globals";

export default [
    { ignores: [".local/", "build/", "node_modules/", "**/static/lib/"] },
    js.configs.recommended,
    {
        files: ["**/*.js"],
        languageOptions: {
            ecmaVersion: 2022,
            sourceType: "module",
            globals: { ...globals.browser, odoo: "readonly", owl: "readonly", luxon: "readonly", Chart: "readonly" },
        },
        linterOptions: { reportUnusedDisableDirectives: "error" },
        rules: {
            curly: "error",
            eqeqeq: "error",
            "no-console": ["error", { allow: ["warn", "error"] }],
            "no-implicit-globals": "error",
            "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
            "no-var": "error",
            "prefer-const": "error",
            "prefer-template": "error",
        },
    },
];
