"""The demo's page, which shows each image before and after."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import quote

from pixian_s3.config.parameters import Value, form_value


@dataclass(frozen=True)
class Shown:
    """What became of one upload.

    Attributes:
        key: The key in the input bucket.
        parameters: The parameters that the configuration sets for it.
        result_key: The key of the result in the output bucket.
        after: The file of the result, relative to the page; None if there is no result.
        metadata: The result's metadata.
        problem: Why there is no result.
    """

    key: str
    parameters: Mapping[str, Value]
    result_key: str | None = None
    after: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True)
class Exhibit:
    """One image: the original file, and its result under each prefix."""

    name: str
    before: str
    shown: list[Shown]


def page(exhibits: list[Exhibit], endpoint: str, *, prices: bool) -> str:
    """The page as HTML, which refers to no files but the images.

    Args:
        exhibits: The images.
        endpoint: The service that made the results.
        prices: Whether to show credits; without them the page calls the service a fake.
    """
    made_by = endpoint if prices else "the fake Pixian on this machine"
    shown = "\n".join(_exhibit(exhibit, prices=prices) for exhibit in exhibits)
    return _PAGE.replace("{{by}}", escape(made_by)).replace("{{exhibits}}", shown)


def _exhibit(exhibit: Exhibit, *, prices: bool) -> str:
    metadata = next((one.metadata for one in exhibit.shown if one.after), {})
    before = _framed(exhibit.before, metadata, "input")
    size = metadata.get("pixian-input-size", "").replace(" ", " x ")
    return f"""<section>
  <h2>{escape(exhibit.name)}</h2>
  <div class="row">
    <figure><div class="frame">{before}</div>
      <figcaption><b>original</b><dl>{_fact("size sent to Pixian", size)}</dl></figcaption></figure>
    {"".join(_shown(one, prices=prices) for one in exhibit.shown)}
  </div>
</section>"""


def _shown(one: Shown, *, prices: bool) -> str:
    if not one.after:
        problem = f"{escape(one.key)}: {escape(one.problem or '')}"
        return f'<figure><p class="problem">{problem}</p></figure>'
    framed = _framed(one.after, one.metadata, "result")
    return f"""<figure><div class="frame chequered">{framed}</div>
      <figcaption><b>{escape(_caption(one))}</b>
        <p>{_parameters(one.parameters)}</p>
        <dl>{_facts(one.metadata, prices=prices)}</dl></figcaption></figure>"""


def _caption(one: Shown) -> str:
    return one.key if one.result_key in {None, one.key} else f"{one.key} → {one.result_key}"


def _framed(source: str, metadata: Mapping[str, str], which: str) -> str:
    """An image that links to its full size, with the outline of the subject drawn over it."""
    url = escape(quote(source))
    alt = f"Your browser can't show this {escape(source.rpartition('.')[2].upper())} file."
    image = f'<a href="{url}"><img src="{url}" alt="{alt}"></a>'
    try:
        width, height = map(int, metadata[f"pixian-{which}-size"].split())
        top, left, w, h = map(int, metadata[f"pixian-{which}-foreground"].split())
    except (KeyError, ValueError):
        return image
    x, y = 100 / width, 100 / height
    place = f"top:{top * y:.2f}%;left:{left * x:.2f}%;width:{w * x:.2f}%;height:{h * y:.2f}%"
    return f'{image}<div class="box" style="{place}"></div>'


def _parameters(parameters: Mapping[str, Value]) -> str:
    return "<br>".join(
        f"{escape(name)}: {escape(form_value(value))}" for name, value in sorted(parameters.items())
    )


def _facts(metadata: Mapping[str, str], *, prices: bool) -> str:
    said = {name.removeprefix("pixian-"): value for name, value in metadata.items()}
    facts = [
        _fact("size", said.get("result-size", "").replace(" ", " x ")),
        _fact("subject: top, left, width, height", said.get("result-foreground", "")),
    ]
    if prices:
        facts += [
            _fact("credits charged", said.get("credits-charged", "")),
            _fact("credits without test mode", said.get("credits-calculated", "")),
        ]
    return "".join(facts)


def _fact(name: str, value: str) -> str:
    return f"<dt>{name}</dt><dd>{escape(value)}</dd>" if value else ""


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>pixian-s3: before and after</title>
<style>
  body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1400px;
         padding: 0 1rem; color: #222; background: #fafafa }
  h1 { font-size: 1.5rem } h2 { font-size: 1.05rem; margin: .5rem 0 }
  section { background: #fff; border: 1px solid #ddd; border-radius: 8px; padding: .75rem 1.25rem;
            margin: 1.25rem 0 }
  .row { display: grid; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); gap: 1.25rem;
         align-items: start }
  figure { margin: 0 }
  .frame { position: relative; width: fit-content; border: 1px solid #ddd }
  img { display: block; max-width: 100%; max-height: 340px }
  .chequered { background: repeating-conic-gradient(#ccc 0 25%, #fff 0 50%) 0 0 / 24px 24px }
  .box { position: absolute; outline: 2px dashed #1971c2; pointer-events: none }
  .problem { background: #fff0f0; border-left: 4px solid #c92a2a; padding: .75rem 1rem }
  figcaption { padding: .4rem 0; overflow-wrap: anywhere }
  figcaption p { margin: 0; font-size: .85rem; color: #555 }
  dl { display: grid; grid-template-columns: auto 1fr; gap: 0 .75rem; margin: 0; font-size: .85rem }
  dt { color: #767676 } dd { margin: 0; font-variant-numeric: tabular-nums }
</style>
<h1>Before and after</h1>
<p>Each original, followed by its result under each prefix. Dashed outline: the detected subject.
Chequerboard: transparency. Results of test mode have a watermark and are free of charge. Select an
image to see it in full size. The results were made by {{by}}.</p>
{{exhibits}}
</html>
"""
