"""From messages to business, as far as no ORM is needed for it."""
