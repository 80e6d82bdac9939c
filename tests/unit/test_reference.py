from admin.reference import DOCUMENT, with_reference


def test_docs_list_the_parameters_as_the_code_has_them() -> None:
    text = DOCUMENT.read_text()
    assert with_reference(text) == text, "run `make reference`"
