"""The topics and schemas in force, as they stand in the database: which messages are let in."""

from .topics import TopicPattern, TopicTable
from .validation import PayloadValidator

_SELECT_TOPICS = """
    SELECT topic.topic_pattern, topic.device_type, topic.message_type, schema.json_schema
      FROM iot_topic_hierarchy topic
 LEFT JOIN iot_topic_schema schema ON schema.topic_hierarchy_id = topic.id AND schema.is_active
     WHERE topic.is_active ORDER BY topic.id
"""


def read_topics(cursor):
    """Rows of (pattern, device type, message type, active schema as text or None), to be compared with earlier ones."""
    cursor.execute(_SELECT_TOPICS)
    return cursor.fetchall()


def topic_table(rows):
    """The `TopicTable` of such rows."""
    return TopicTable([TopicPattern(*row[:3]) for row in rows])


def payload_validator(rows):
    """The `PayloadValidator` of such rows."""
    return PayloadValidator({(row[1], row[2]): row[3] for row in rows if row[3]})
