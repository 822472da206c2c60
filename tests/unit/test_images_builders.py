"""A builder is one folder and one line of registration; nothing else knows which one makes an image."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fakes.image_harness import ImageHarness

from stepladder import images
from stepladder.core.errors import BadInputError
from stepladder.core.step import Step
from stepladder.images import builder, pipeline
from stepladder.settings import builders

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "stepladder").rglob("*.py"))


@pytest.fixture
def stone(image_harness: ImageHarness, monkeypatch: pytest.MonkeyPatch) -> ImageHarness:
    """A project whose settings name a builder that one line has registered."""
    monkeypatch.setitem(builders.REGISTERED, "stone", "stone_builder")
    image_harness.options["image"] = {"base": image_harness.base, "builder": "stone"}
    image_harness.write()
    return image_harness


def test_a_registered_builder_publishes_by_the_ordinary_path(stone: ImageHarness) -> None:
    image = stone.prepare()
    assert (image.builder, image.pushed) == ("stone", True)
    assert stone.step.detail.startswith(f"digest {image.digest[7:19]}")
    again = stone.prepare()
    assert (again.digest, again.pushed, stone.registry.requests) == (image.digest, False, [])


def test_a_builder_has_the_say_on_its_input_key(stone: ImageHarness) -> None:
    key = images.input_key(stone.settings)
    stone.options["image"]["builder"] = "layers"
    assert key != images.input_key(stone.write())
    stone.options["image"]["builder"] = "stone"
    assert key == images.input_key(stone.write()) == stone.prepare().input_key


def test_a_registered_builder_builds_without_a_registry(stone: ImageHarness) -> None:
    stone.prepare()  # fetches the base
    stone.registry.requests.clear()
    told = pipeline.build_only(stone.settings, Step("image")).summary()
    assert (told["builder"], stone.registry.count("PUT")) == ("stone", 0)


def test_an_unregistered_builder_is_refused_and_the_registered_ones_are_named(stone: ImageHarness) -> None:
    with pytest.raises(BadInputError) as caught:
        stone.write(image={"builder": "kaniko"})
    assert "auto, docker, layers, stone" in str(caught.value.problems)


@pytest.mark.parametrize("order", [("stone", "layers"), ("layers", "stone")], ids=" before ".join)
def test_auto_takes_the_first_that_can_build_here(
    image_harness: ImageHarness, monkeypatch: pytest.MonkeyPatch, order: tuple[str, ...]
) -> None:
    modules = {**builders.REGISTERED, "stone": "stone_builder"}
    monkeypatch.setattr(builders, "REGISTERED", {name: modules[name] for name in order})
    assert image_harness.prepare().builder == order[0]


@pytest.mark.parametrize("name", builders.REGISTERED)
def test_every_builder_has_the_whole_interface(name: str) -> None:
    made = builder.named(name)
    wanted = {part for part in vars(builder.Builder) if not part.startswith("_")}
    flags = {"builds_apart", "builds_from_source"}
    assert wanted == flags | {"accepts", "again", "begin", "build", "input_key", "publish", "require"}
    assert not [part for part in wanted if not hasattr(made, part)]


def test_no_code_outside_a_builders_own_folder_asks_for_it_by_name() -> None:
    asks = re.compile(r"""(?:builder|BUILDER)\b\S* *(?:==|!=|in) |engine_builds""")
    found = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        if asks.search(path.read_text("utf-8")) and path.parent.name not in builders.REGISTERED
    }
    assert not found
