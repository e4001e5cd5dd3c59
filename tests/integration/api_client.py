"""The REST API from outside: a key for it."""

import secrets
from contextlib import closing

import psycopg2
from passlib.context import CryptContext

# As Odoo hashes its API keys, and the digits by which it finds them.
HASHES = CryptContext(["pbkdf2_sha512"], pbkdf2_sha512__rounds=6000)
INDEX_DIGITS = 8


def new_api_key(product, login="admin"):
    """An API key of a user, as he would make it in his preferences; those ask for his password, in a dialog."""
    key = secrets.token_hex(20)
    with closing(psycopg2.connect(**product.postgres.dsn(product.database))) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO res_users_apikeys (name, user_id, scope, key, index)"
                " SELECT 'tests', id, 'rpc', %s, %s FROM res_users WHERE login = %s",
                [HASHES.hash(key), key[:INDEX_DIGITS], login],
            )
            assert cursor.rowcount == 1, f"there is no user {login}"
    return key
