from __future__ import annotations

from thread_exporters.prometheus._format.text_template import text_function


def test_arguments_fill_the_blanks_in_any_order_and_any_number_of_times() -> None:
    assert text_function(["a ", 1, " b ", 0, 1, "\n"], 3)("zero", 1, "unused") == "a 1 b zero1\n"


def test_whatever_the_text_holds_stays_as_it_is() -> None:
    text = "{braces} {{twice}} 'quotes\" back\\slash %s \x00 Schloß\n"
    assert text_function([text, 0, text], 1)("-") == f"{text}-{text}"


def test_a_text_without_blanks_is_one_too() -> None:
    assert text_function(["nothing to fill in"], 0)() == "nothing to fill in"
