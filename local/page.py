"""The page that shows images before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from pixian_s3.config.parameters import Value, form_value


@dataclass(frozen=True)
class Shown:
    """What became of one dropped key.

    Attributes:
        key: in the input bucket.
        parameters: that the configuration sets for it.
        after: the result, a file beside the page.
        metadata: of the result.
        problem: why there is none.
    """

    key: str
    parameters: Mapping[str, Value]
    after: str | None
    metadata: Mapping[str, str]
    problem: str | None


@dataclass(frozen=True)
class Exhibit:
    """One image: the file that was dropped, and what came back under each prefix."""

    name: str
    before: str
    shown: list[Shown]


def page(exhibits: list[Exhibit], cut_out_by: str) -> str:
    """The page as HTML; it needs nothing but the files that it names."""
    shown = "\n".join(map(_exhibit, exhibits))
    return _PAGE.replace("{{by}}", escape(cut_out_by)).replace("{{exhibits}}", shown)


def _exhibit(exhibit: Exhibit) -> str:
    metadata = next((one.metadata for one in exhibit.shown if one.after), {})
    before = _framed(exhibit.before, metadata, "input")
    size = metadata.get("pixian-input-size", "").replace(" ", " x ")
    return f"""<section>
  <h2>{escape(exhibit.name)}</h2>
  <div class="row">
    <figure><div class="frame">{before}</div>
      <figcaption><b>as it was dropped</b><dl>{_fact("size", size)}</dl></figcaption></figure>
    {"".join(map(_shown, exhibit.shown))}
  </div>
</section>"""


def _shown(one: Shown) -> str:
    if not one.after:
        problem = f"{escape(one.key)}: {escape(one.problem or '')}"
        return f'<figure><p class="problem">{problem}</p></figure>'
    framed = _framed(one.after, one.metadata, "result")
    return f"""<figure><div class="frame chequered">{framed}</div>
      <figcaption><b>{escape(one.key)}</b>
        <p>{_parameters(one.parameters)}</p><dl>{_facts(one.metadata)}</dl></figcaption></figure>"""


def _framed(source: str, metadata: Mapping[str, str], which: str) -> str:
    """An image with the box of its foreground drawn over it."""
    image = f'<img src="{escape(quote(source))}" alt="{which}">'
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


def _facts(metadata: Mapping[str, str]) -> str:
    said = {name.removeprefix("pixian-"): value for name, value in metadata.items()}
    return "".join(
        (
            _fact("size", said.get("result-size", "").replace(" ", " x ")),
            _fact("foreground: top left width height", said.get("result-foreground", "")),
            _fact("credits charged", said.get("credits-charged", "")),
            _fact("credits it would cost", said.get("credits-calculated", "")),
        )
    )


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
  .box { position: absolute; outline: 2px dashed #d6336c; pointer-events: none }
  .problem { background: #fff0f0; border-left: 4px solid #c92a2a; padding: .75rem 1rem }
  figcaption { padding: .4rem 0; overflow-wrap: anywhere }
  figcaption p { margin: 0; font-size: .85rem; color: #555 }
  dl { display: grid; grid-template-columns: auto 1fr; gap: 0 .75rem; margin: 0; font-size: .85rem }
  dt { color: #767676 } dd { margin: 0; font-variant-numeric: tabular-nums }
</style>
<h1>Before and after</h1>
<p>Each image as it was dropped and what came back under each prefix. Dashed: the box that Pixian
found the foreground in. Transparency shows as a chequerboard. Cut out by {{by}}; a watermark says
that it was a test, which costs nothing.</p>
{{exhibits}}
</html>
"""
