"""Turns links that lead out of the book into their text. A preprocessor of mdBook: JSON in, JSON out."""

import json
import posixpath
import re
import sys

LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])+)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def chapters(items):
    for item in items:
        if "Chapter" in item:
            yield item["Chapter"]
            yield from chapters(item["Chapter"]["sub_items"])


def inside(chapter, places):
    folder = posixpath.dirname(chapter["source_path"])

    def replace(link):
        text, target, heading = link.groups()
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            return link[0]
        place = places.get(posixpath.normpath(posixpath.join(folder, target)))
        return f"[{text}]({posixpath.relpath(place, folder)}{heading or ''})" if place else text

    return LINK.sub(replace, chapter["content"])


if sys.argv[1:2] == ["supports"]:
    sys.exit(0)
_, book = json.load(sys.stdin)
# The name of the list differs between versions of mdBook.
found = [one for one in chapters(book.get("items") or book.get("sections")) if one["path"]]
# mdBook makes an `index` of each README.
places = {one["source_path"]: one["path"] for one in found}
for one in found:
    one["content"] = inside(one, places)
json.dump(book, sys.stdout)
