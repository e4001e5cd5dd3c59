"""The grade of milk: the decision list, line by line and at its limits."""

from odoo.tests.common import BaseCase, tagged

from ..quality import quality_grade


@tagged("post_install", "-at_install")
class TestQuality(BaseCase):
    def test_grades(self):
        for fat, protein, cells, blood, grade in (
            (4.0, 3.4, 100_000, True, "reject"),
            (0, 0, 0, True, "reject"),
            (4.0, 3.4, 400_001, False, "reject"),
            (0, 0, 400_001, False, "reject"),
            (4.0, 3.4, 400_000, False, "B"),
            (0, 3.4, 100_000, False, False),
            (4.0, 0, 100_000, False, False),
            (None, None, None, None, False),
            (3.5, 3.0, 199_999, False, "A"),
            (3.5, 3.0, 200_000, False, "B"),
            (3.5, 3.0, 0, False, "B"),
            (3.49, 3.0, 100_000, False, "B"),
            (3.5, 2.99, 100_000, False, "B"),
            (3.0, 2.8, 0, False, "B"),
            (3.0, 2.79, 0, False, "C"),
            (2.99, 3.4, 0, False, "C"),
            (2.5, 1.0, 0, False, "C"),
            (2.49, 3.4, 0, False, "reject"),
        ):
            with self.subTest(fat=fat, protein=protein, cells=cells, blood=blood):
                self.assertEqual(quality_grade(fat, protein, cells, blood), grade)
