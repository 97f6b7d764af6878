"""A page of HTML as tests look at it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Element:
    """An element: its tag, attributes and all text in it."""

    tag: str
    attributes: dict[str, str | None]
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()


class Page(HTMLParser):
    """The elements of a page, in the order in which they close; badly nested ones are errors."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert not self._open, f"left open: {[element.tag for element in self._open]}"

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        assert len(element.attributes) == len(attrs), f"an attribute twice: {attrs}"
        (self.elements if tag in _VOID else self._open).append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag):
        element = self._open.pop()
        assert element.tag == tag, f"</{tag}> closes <{element.tag}>"
        self.elements.append(element)

    def handle_data(self, data):
        for element in self._open:
            element.parts.append(data)

    def find(self, tag: str, **attributes: str) -> list[Element]:
        """Return elements that have some attributes; ``class_`` is one class of several."""
        wanted_class = attributes.pop("class_", None)
        return [
            element
            for element in self.elements
            if element.tag == tag
            and (
                wanted_class is None
                or wanted_class in (element.attributes.get("class") or "").split()
            )
            and all(element.attributes.get(name) == value for name, value in attributes.items())
        ]

    def texts(self, tag: str, **attributes: str) -> list[str]:
        return [element.text for element in self.find(tag, **attributes)]

    def counts(self) -> Counter[str]:
        return Counter(element.tag for element in self.elements)

    def all_attributes(self) -> list[tuple[str, str, str | None]]:
        return [(e.tag, name, value) for e in self.elements for name, value in e.attributes.items()]

    def links(self) -> list[str]:
        """Return what the page loads or leads to."""
        names = ("src", "href", "xlink:href", "data", "srcset")
        return [value or "" for _, name, value in self.all_attributes() if name in names]
