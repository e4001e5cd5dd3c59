"""Which milking made another one doubtful: until now the event alone named it."""


def migrate(cr, version):
    cr.execute(
        """
        UPDATE milk_session doubtful SET doubted_by_id = other.id
          FROM iot_event event, milk_session other
         WHERE doubtful.identification = 'doubtful' AND event.dedup_key = 'milking_doubtful:' || doubtful.name
           AND other.name = event.data ->> 'other_session' AND other.company_id = doubtful.company_id
        """
    )
