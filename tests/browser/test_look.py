"""What a person does with the page of results."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from admin.look.fetch import newest
from admin.look.write import write
from tests.looking import HOSTILE, Buckets, configuration, fill

DESKTOP, PHONE = (1440, 900), (390, 844)
NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


@pytest.fixture
def index(aws: None, tmp_path: Path) -> Path:  # noqa: ARG001 - the AWS that the buckets are in
    stack = Buckets.create()
    fill(stack)
    records = newest(stack, configuration(), "", 50, failed=False)
    return write(records, stack, tmp_path, "Results of a test", now=NOW, limit_bytes=10**9)


def opened(browser: Browser, index: Path, size: tuple[int, int]) -> Iterator[Page]:
    """The page; whatever it asks the network for, complains about or pops up is an error."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, has_touch=size == PHONE
    )
    page, wrong = context.new_page(), list[str]()
    urls = list[str]()
    page.on("request", lambda request: urls.append(request.url))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.goto(index.as_uri())
    yield page
    context.close()
    assert wrong == []
    assert all(url.startswith("file:") for url in urls)


@pytest.fixture
def page(browser: Browser, index: Path) -> Iterator[Page]:
    yield from opened(browser, index, DESKTOP)


@pytest.fixture
def phone(browser: Browser, index: Path) -> Iterator[Page]:
    yield from opened(browser, index, PHONE)


def names(page: Page) -> list[str]:
    return page.locator(".card b").all_inner_texts()


def test_odd_results_come_first_then_the_failed_ones(page: Page) -> None:
    shown = names(page)
    assert shown[0] == "odd.png"
    assert set(shown[1:3]) == {HOSTILE, "shoes/late.jpg"}
    assert set(shown[3:]) == {"scan.png", "shoes/plain.png", "shoes/cropped.png"}
    expect(page.locator(".card").first).to_contain_text("the subject is cut off")


def test_all_pictures_are_loaded(page: Page) -> None:
    expect(page.locator(".card img")).to_have_count(9)
    page.locator(".card").last.scroll_into_view_if_needed()
    page.wait_for_function(
        "[...document.images].filter((i) => i.offsetParent).every((i) => i.naturalWidth > 0)"
    )


def test_names_and_errors_from_outside_are_text(page: Page) -> None:
    card = page.locator(".card", has_text=HOSTILE)
    expect(card).to_contain_text(f"It is damaged: {HOSTILE}")
    card.click()
    expect(page.locator("#name")).to_have_text(HOSTILE)
    expect(page.locator("#facts")).to_contain_text("Do what the error says")
    assert page.locator("img[src=x]").count() == 0


def test_filters_by_outcome_prefix_and_name(page: Page) -> None:
    page.get_by_role("button", name="No result 2").click()
    assert set(names(page)) == {HOSTILE, "shoes/late.jpg"}
    page.get_by_role("button", name="Look closer 1").click()
    assert names(page) == ["odd.png"]
    page.get_by_role("button", name="All 6").click()
    page.get_by_label("Prefix").select_option("shoes/")
    assert set(names(page)) == {"shoes/late.jpg", "shoes/plain.png", "shoes/cropped.png"}
    page.get_by_label("Part of a name").fill("CROP")
    assert names(page) == ["shoes/cropped.png"]
    expect(page.locator("#totals")).to_contain_text("1.25")
    page.get_by_label("Part of a name").fill("nowhere")
    page.get_by_role("button", name="Show all").click()
    assert len(names(page)) == 6


def test_sorts_by_credits_latency_and_the_share_of_the_picture(page: Page) -> None:
    page.get_by_label("Sort").select_option("Most credits first")
    assert names(page)[0] == "shoes/cropped.png"
    page.get_by_label("Sort").select_option("Slowest first")
    assert names(page)[0] == "shoes/cropped.png"
    expect(page.locator(".card").first).to_contain_text("25.4 s")
    page.get_by_label("Sort").select_option("Largest box first")
    assert names(page)[0] == "shoes/cropped.png"
    page.get_by_label("Sort").select_option("By name")
    assert names(page) == sorted(names(page))


def test_totals_are_those_of_the_images_shown(page: Page) -> None:
    totals = page.locator("#totals")
    expect(totals).to_contain_text("2.75")
    page.get_by_label("Prefix").select_option("shoes/")
    expect(totals).to_contain_text("1.75")


def test_made_up_prices_are_marked_wherever_there_are_credits(page: Page, index: Path) -> None:
    expect(page.locator("#totals")).not_to_contain_text("made")
    index.write_text(index.read_text().replace('"pricesAreReal": true', '"pricesAreReal": false'))
    page.reload()
    expect(page.locator("#about")).to_contain_text("its prices are made up")
    expect(page.locator("#totals")).to_contain_text("credits charged (made-up price)")
    card = page.locator(".card", has_text="plain.png")
    expect(card).to_contain_text("0.5 credits (made-up price)")
    card.click()
    expect(page.locator("#facts")).to_contain_text("0.5 (made-up price)")


def split(page: Page) -> float:
    return float(page.locator("#handle").get_attribute("aria-valuenow") or "nan")


def test_the_handle_uncovers_the_original(page: Page) -> None:
    page.get_by_label("Sort").select_option("By name")
    page.locator(".card", has_text="plain.png").click()
    assert split(page) == 50
    view = page.locator("#view").bounding_box()
    assert view
    middle = view["y"] + view["height"] / 2
    page.mouse.move(view["x"] + view["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(view["x"] + view["width"] * 0.8, middle)
    page.mouse.up()
    assert split(page) == 80
    before = page.locator("#before").evaluate("(layer) => layer.style.clipPath")
    assert before == f"inset(0px {view['width'] * 0.2:g}px 0px 0px)"


def test_keys_go_to_the_next_image_flip_zoom_and_close(page: Page) -> None:
    page.locator(".card").first.click()
    name, position = page.locator("#name"), page.locator("#position")
    expect(name).to_have_text("odd.png")
    page.keyboard.press("Space")
    assert split(page) == 0
    page.keyboard.press("Space")
    assert split(page) == 100
    page.keyboard.press("ArrowRight")
    expect(position).to_have_text("2 of 6")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(position).to_have_text("6 of 6")
    page.keyboard.press("1")
    expect(page.locator("#zoom")).to_contain_text("100")
    page.keyboard.press("+")
    expect(page.locator("#zoom")).to_contain_text("150")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).not_to_be_visible()


def test_zooming_with_the_wheel_keeps_the_point_under_the_mouse(page: Page) -> None:
    page.locator(".card", has_text="plain.png").click()
    view = page.locator("#view").bounding_box()
    assert view
    x, y = view["x"] + 400, view["y"] + 300

    def place() -> tuple[float, float]:
        box = page.locator("#before .picture").bounding_box()
        assert box
        return (x - box["x"]) / box["width"], (y - box["y"]) / box["height"]

    before = place()
    page.mouse.move(x, y)
    page.mouse.wheel(0, -600)
    expect(page.locator("#view")).to_have_class("sharp zoomed")
    assert place() == pytest.approx(before, abs=0.005)
    page.mouse.down()
    page.mouse.move(x + 50, y + 20)
    page.mouse.up()
    assert place() != pytest.approx(before, abs=0.005)


def test_a_cropped_result_lies_where_it_was_cut_out(page: Page) -> None:
    page.locator(".card", has_text="cropped.png").click()
    before = page.locator("#before .picture").bounding_box()
    after = page.locator("#after .picture").bounding_box()
    assert before
    assert after
    # The disc, 300 x 200 of 600 x 400 pixels, was said to be 100 x 50 of 100 x 100.
    assert after["width"] == pytest.approx(before["width"] / 2, abs=1)
    assert after["x"] - before["x"] == pytest.approx(before["width"] / 4, abs=1)


def test_a_scrollbar_of_the_page_hides_nothing_of_an_image(page: Page) -> None:
    page.set_viewport_size({"width": DESKTOP[0], "height": 400})
    width = "document.documentElement.clientWidth"
    assert page.evaluate(f"{width} < innerWidth")
    page.locator(".card", has_text="plain.png").click()
    for part in ("#close", "#label-after", "#facts"):
        box = page.locator(part).bounding_box()
        assert box
        assert box["x"] + box["width"] <= page.evaluate(width)


def test_a_card_names_the_result_and_what_was_uploaded_if_they_differ(
    page: Page, index: Path
) -> None:
    card = page.locator(".card", has_text="plain.png")
    expect(card.locator("b")).to_have_text("shoes/plain.png")
    expect(card).to_contain_text("from shoes/plain.jpg")
    index.write_text(index.read_text().replace("shoes/plain.jpg", "shoes/plain.png"))
    page.reload()
    expect(card).not_to_contain_text("from")


def test_the_area_of_the_foregrounds_box_is_called_that(page: Page) -> None:
    card = page.locator(".card", has_text="plain.png")
    expect(card).to_contain_text("box 25\u00a0%")
    card.click()
    expect(page.locator("#facts")).to_contain_text("Foreground's box25\u00a0% of the result")


def test_the_details_say_if_a_check_found_no_sign_of_trouble(page: Page) -> None:
    facts = page.locator("#facts")
    page.locator(".card", has_text="plain.png").click()
    expect(facts).to_contain_text("no signs of trouble")
    page.keyboard.press("Escape")
    for name in ("odd.png", "cropped.png"):  # one with signs, one that wasn't checked
        page.locator(".card", has_text=name).click()
        expect(facts).not_to_contain_text("no signs of trouble")
        page.keyboard.press("Escape")


def test_any_background_shows_behind_a_transparent_result(page: Page) -> None:
    def background() -> str:
        shown = page.locator(".card", has_text="plain.png").locator(".ground")
        return str(shown.evaluate("(ground) => getComputedStyle(ground).background"))

    assert "conic-gradient" in background()
    page.locator("#tools").get_by_title("Black background").click()
    assert background().startswith("rgb(0, 0, 0)")
    page.locator("#tools").get_by_title("Any background").fill("#ff8800")
    assert background().startswith("rgb(255, 136, 0)")


def test_boxes_are_drawn_on_demand_where_the_foreground_is(page: Page) -> None:
    card = page.locator(".card", has_text="plain.png")
    box, picture = card.locator(".ground .box"), card.locator(".ground")
    expect(box).not_to_be_visible()
    page.get_by_label("Foreground boxes").check()
    expect(box).to_be_visible()
    inner, outer = box.bounding_box(), picture.bounding_box()
    assert inner
    assert outer
    assert inner["x"] - outer["x"] == pytest.approx(outer["width"] / 4, abs=1)
    assert inner["height"] == pytest.approx(outer["height"] / 2, abs=1)


def test_a_file_that_browsers_cannot_show_has_a_preview(page: Page) -> None:
    page.locator(".card", has_text="scan.png").click()
    expect(page.locator("#before img")).to_have_js_property("naturalWidth", 600)
    expect(page.locator("#facts")).to_contain_text("Browsers can't show TIFF")


def test_why_a_picture_is_missing_is_said(page: Page, index: Path) -> None:
    data = index.read_text().replace('"before_missing": ""', '"before_missing": "It is gone."')
    index.write_text(data.replace('"before": {', '"before": null, "unused": {'))
    page.reload()
    page.locator(".card", has_text="plain.png").click()
    expect(page.locator("#facts")).to_contain_text("It is gone.")
    expect(page.locator("#after img")).to_have_js_property("naturalWidth", 600)
    expect(page.get_by_role("button", name="Flip")).to_be_disabled()
    page.keyboard.press("Space")
    assert split(page) == 0


def test_two_fingers_zoom_on_a_phone(phone: Page) -> None:
    phone.locator(".card", has_text="plain.png").click()
    zoom, fingers = phone.locator("#zoom"), phone.context.new_cdp_session(phone)
    before = float(zoom.inner_text().split()[0])

    def touch(kind: str, *at: int) -> None:
        points = [{"x": x, "y": 250, "id": i} for i, x in enumerate(at)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 150)
    touch("touchStart", 150, 250)
    touch("touchMove", 100, 300)
    touch("touchEnd")
    assert float(zoom.inner_text().split()[0]) == pytest.approx(2 * before, abs=2)


@pytest.mark.parametrize("card", ["odd.png", "shoes/late.jpg", HOSTILE])
def test_nothing_sticks_out_on_a_phone(phone: Page, card: str) -> None:
    page = "document.documentElement"
    assert phone.evaluate(f"{page}.scrollWidth <= {page}.clientWidth < {PHONE[0]}")
    phone.locator(".card", has_text=card).click()
    for part in ("#view", "#facts", "#close", "#next"):
        box = phone.locator(part).bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= phone.evaluate(f"{page}.clientWidth")
        assert box["y"] + box["height"] <= PHONE[1]
    phone.locator("#close").click()
    expect(phone.locator("#viewer")).not_to_be_visible()
