from admin.reference import DOCUMENT, TEMPLATE, with_schema, with_tables


def test_docs_list_the_parameters_as_the_code_has_them() -> None:
    text = DOCUMENT.read_text()
    assert with_tables(text) == text, "run `make reference`"


def test_template_has_the_schema_that_follows_from_the_parameters() -> None:
    text = TEMPLATE.read_text()
    assert with_schema(text) == text, "run `make reference`"
