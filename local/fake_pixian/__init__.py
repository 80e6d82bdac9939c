"""A small HTTP server that mocks Pixian's API and really removes backgrounds.

It validates requests as Pixian's API page describes, records every call, and fails when told to.
Start it with `python -m local.fake_pixian`, or with `StandIn` in a `with` block.

The files, in reading order:

- `server`: the server on loopback; how it starts, stops and resets a connection
- `api`: `/api/v2/remove-background` and `/api/v2/account`, from the request to the answer
- `form`: the request's body: its fields and its one image, fetched if it is a URL
- `parameters`: the other fields, validated
- `remove_background`: from the image's bytes to the result's, step by step
- `cutout`: the model that finds the foreground
- `render`: sizes and boxes, placement, watermark, encoding
- `service`: what outlives a request: calls, balance, made-up prices, settings
- `faults`: how an answer can fail, when it does, and how it is delivered then
- `control`: `/_control`, where tests order faults, change settings and read the calls
- `errors`: an answer, and the errors that become one
"""

from local.fake_pixian.server import StandIn

__all__ = ["StandIn"]
