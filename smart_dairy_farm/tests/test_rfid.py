"""Every form of one tag is one tag."""

from odoo.tests import TransactionCase

from ..tools.rfid import RfidError, normalize, to_decimal

TEST_TAG = "8000F9DCBE991A14"
DATAMARS_TAG = "8000F58000109BA4"
OTHER_TAG = "8000F1000001E240"


class TestRfid(TransactionCase):
    def assert_forms(self, canonical, forms):
        """Each of these forms is the tag of this canonical form."""
        for form in forms:
            with self.subTest(form=form):
                self.assertEqual(normalize(form), canonical)

    def assert_refused(self, forms, sentence):
        """None of these is a tag, and the error says why in a sentence of this pattern."""
        for form in forms:
            with self.subTest(form=form), self.assertRaisesRegex(RfidError, sentence):
                normalize(form)

    def test_number_dotted_and_hexadecimal_forms_are_one_tag(self):
        self.assert_forms(
            TEST_TAG,
            ["999123456789012", "999 123456789012", "3E7.1CBE991A14", "8000F9DCBE991A14", "8000f9dc-be99-1a14"],
        )

    def test_a_tag_sent_lowest_bit_first_is_the_same_tag(self):
        self.assert_forms(TEST_TAG, ["2858997D3B9F0001", 0x2858997D3B9F0001])

    def test_a_meters_register_may_hold_the_code_or_the_decimal_number(self):
        self.assert_forms(TEST_TAG, [0x8000F9DCBE991A14, 999123456789012])

    def test_the_lines_of_readers_are_one_tag(self):
        self.assert_forms(DATAMARS_TAG, ["LA 982 000001088420", "LA 00000 0 982 000001088420", "la982000001088420"])
        self.assert_forms(
            OTHER_TAG,
            [
                "A0000000964000000123456",
                "964 000000123456",
                "964000000123456",
                "A 00000 0 964 000000123456",
                "A964000000123456",
            ],
        )

    def test_the_frame_around_a_line_is_no_part_of_the_tag(self):
        self.assert_forms(
            DATAMARS_TAG, ["\x02LA 982 000001088420\x03", "LA 982 000001088420\r\n", "\x02982000001088420\r\n"]
        )

    def test_a_dotted_form_holds_country_and_number_in_hexadecimal(self):
        self.assertEqual(to_decimal(normalize("3DD.003BA20748")), "989001000474440")

    def test_a_tag_issued_again_keeps_the_animals_identity(self):
        retagged_once = 0x8000F9DCBE991A14 | 1 << 60
        with_data_block = 0x8000F9DCBE991A14 | 1 << 48
        self.assert_forms(TEST_TAG, [retagged_once, f"{retagged_once:016X}", with_data_block])
        self.assert_forms(DATAMARS_TAG, ["LA 10000 0 982 000001088420"])

    def test_the_largest_number_of_the_standard_is_accepted_and_the_next_is_not(self):
        self.assertEqual(to_decimal(normalize("528274877906943")), "528274877906943")
        self.assert_refused(["528274877906944"], "largest number")

    def test_different_animals_have_different_tags(self):
        forms = ["982000001088420", "982000001088421", "981000001088420"]
        self.assertEqual(len({normalize(form) for form in forms}), len(forms))

    def test_the_canonical_form_is_its_own_canonical_form(self):
        for tag in (TEST_TAG, DATAMARS_TAG, OTHER_TAG, "E004015012345678"):
            self.assertEqual(normalize(tag), tag)

    def test_a_proprietary_tag_is_kept_as_it_is_and_has_no_decimal_number(self):
        self.assertEqual(normalize("e0:04:01:50:12:34:56:78"), "E004015012345678")
        self.assertIsNone(to_decimal("E004015012345678"))

    def test_an_industrial_tag_is_refused(self):
        self.assert_refused(
            ["LR 0006 000000000001", "LR0006000000000001", "\x02LR 0006 000000000001\r\n", "0000F9DCBE991A14"],
            "industrial",
        )

    def test_nothing_read_is_no_tag(self):
        self.assert_refused([0, "0000000000000000", "FFFFFFFFFFFFFFFF"], "no tag was read")
        self.assert_refused(["", "  ", "\x02\r\n"], "empty")

    def test_no_country_is_no_tag(self):
        self.assert_refused(["000123456789012", 123456789012, "527 000000123456", "LA 899 000000123456"], "country")

    def test_a_line_that_lost_or_doubled_a_digit_is_no_other_animals(self):
        self.assert_refused(
            ["A000000096400000012345", "LA 0000 0 982 000001088420", "10000 0 982 000000"], "is not an RFID tag"
        )
        self.assert_refused(["9820000010884200"], "too many")

    def test_what_a_spreadsheet_made_of_the_number_is_refused(self):
        self.assert_refused(["9.99123E+14", "999123456789012.0"], "is not an RFID tag")

    def test_other_texts_and_types_are_refused(self):
        self.assert_refused(["Bertha", "12345", "982 00000108842", "982 00000108842000"], "is not an RFID tag")
        self.assert_refused([None, True, 9.99, b"999123456789012"], "a text or a number")
        self.assert_refused([-1, 1 << 64], "64 bits")
