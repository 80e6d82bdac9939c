"""The page that shows images before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import quote


@dataclass(frozen=True)
class Exhibit:
    """One image: files beside the page, metadata as stored, or why there is no result."""

    key: str
    before: str
    after: str | None
    metadata: Mapping[str, str]
    problem: str | None


def page(exhibits: list[Exhibit]) -> str:
    """The page as HTML; it needs nothing but the files that it names."""
    return _PAGE.replace("{{exhibits}}", "\n".join(map(_exhibit, exhibits)))


def _exhibit(exhibit: Exhibit) -> str:
    result = _result(exhibit.after, exhibit.metadata) if exhibit.after else _problem(exhibit)
    return f"""<section>
  <h2>{escape(exhibit.key)}</h2>
  <div class="pair">
    <figure>{_framed(exhibit.before, exhibit.metadata, "input")}</figure>
    {result}
  </div>
  <dl>{_facts(exhibit.metadata)}</dl>
</section>"""


def _result(after: str, metadata: Mapping[str, str]) -> str:
    return f'<figure class="chequered">{_framed(after, metadata, "result")}</figure>'


def _problem(exhibit: Exhibit) -> str:
    return f'<p class="problem">{escape(exhibit.problem or "")}</p>'


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


_FACTS = (
    ("Credits charged", "pixian-credits-charged"),
    ("Would have cost", "pixian-credits-calculated"),
    ("Input size", "pixian-input-size"),
    ("Result size", "pixian-result-size"),
    ("Foreground in input (top left width height)", "pixian-input-foreground"),
    ("Foreground in result (top left width height)", "pixian-result-foreground"),
    ("EXIF orientation", "pixian-input-orientation"),
)


def _facts(metadata: Mapping[str, str]) -> str:
    return "".join(
        f"<div><dt>{label}</dt><dd>{escape(metadata[name])}</dd></div>"
        for label, name in _FACTS
        if name in metadata
    )


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>pixian-s3: before and after</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1100px;
         padding: 0 1rem; color: #222; background: #fafafa }
  h1 { font-size: 1.5rem } h2 { font-size: 1.05rem; font-weight: 600 }
  section { background: #fff; border: 1px solid #ddd; border-radius: 8px; padding: 0 1.25rem 1rem;
            margin: 1.25rem 0 }
  .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1.25rem; align-items: start }
  figure { position: relative; margin: 0 } img { display: block; width: 100% }
  .chequered { background: repeating-conic-gradient(#ccc 0 25%, #fff 0 50%) 0 0 / 24px 24px }
  .box { position: absolute; outline: 2px dashed #d6336c; pointer-events: none }
  .problem { background: #fff0f0; border-left: 4px solid #c92a2a; padding: .75rem 1rem }
  dl { display: flex; flex-wrap: wrap; gap: .25rem 2rem; margin: 1rem 0 0 }
  dt { color: #767676; font-size: .8rem } dd { margin: 0; font-variant-numeric: tabular-nums }
</style>
<h1>Before and after</h1>
<p>Dashed: the box that Pixian found the foreground in. The result's transparency shows as a
chequerboard.</p>
{{exhibits}}
</html>
"""
