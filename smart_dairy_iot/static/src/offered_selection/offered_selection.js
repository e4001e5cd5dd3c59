/** @odoo-module **/

import { registry } from "@web/core/registry";
import { SelectionField, selectionField } from "@web/views/fields/selection/selection_field";

/** A selection of which only those are offered that another field of the record, a list, has in it. */
export class OfferedSelection extends SelectionField {
    static props = { ...SelectionField.props, offeredField: String };

    get options() {
        const { data } = this.props.record;
        const offered = [...(data[this.props.offeredField] || []), data[this.props.name]];
        return super.options.filter(([value]) => offered.includes(value));
    }
}

registry.category("fields").add("iot_offered_selection", {
    ...selectionField,
    component: OfferedSelection,
    extractProps: (fieldInfo, dynamicInfo) => ({
        ...selectionField.extractProps(fieldInfo, dynamicInfo),
        offeredField: fieldInfo.options.offered_field,
    }),
});
