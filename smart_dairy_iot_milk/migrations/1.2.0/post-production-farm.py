"""A milking's record is of the farm that milked: of a cow that had moved by then, it was made for her new farm."""


def migrate(cr, version):
    cr.execute(
        """
        UPDATE farm_milk_production production
           SET farm_id = session.farm_id, company_id = session.company_id
          FROM milk_session session
         WHERE session.production_id = production.id AND production.source = 'iot_meter'
           AND production.source_reference = session.name AND production.farm_id != session.farm_id
        """
    )
