"""What the configuration allows is read as it was meant, by a reader that shares no code."""

import json
from typing import Any

from hypothesis import given

from local.fake_pixian.parameters import read_parameters
from pixian_s3.config.document import parse
from tests.unit.documents import DOCUMENTS


@given(DOCUMENTS)
def test_every_form_is_read_as_it_was_meant(document: dict[str, Any]) -> None:
    configuration = parse(json.dumps(document))
    for prefix in ["", *configuration.prefixes]:
        settings = configuration.settings_for(prefix)
        read = read_parameters({name: [text] for name, text in settings.form.items()})
        assert read.test == settings.flag("test")
        assert read.max_pixels == settings.number("max_pixels")
        assert read.crop_to_foreground == settings.flag("result.crop_to_foreground")
        assert read.vertical_alignment == settings.text("result.vertical_alignment")
        assert read.output_format == settings.text("output.format")
        assert read.jpeg_quality == settings.number("output.jpeg_quality")
