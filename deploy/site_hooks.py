"""What `mkdocs build` does to the docs: links that leave them become words; scripts and pictures in files, files."""

import hashlib
import re
from pathlib import Path
from typing import Any

_OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\((?:\.\./)+([^)#]*)(?:#[^)]*)?\)")
_PICTURE = re.compile(r"""url\((["']?)data:image/svg\+xml;charset=utf-8,(<svg.*?</svg>)\1\)""")
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Name the files of the checkout that a page links to: they are no part of the site."""
    return _OUTSIDE.sub(lambda link: link[1] if link[2] in link[1] else f"{link[1]} (`{link[2]}`)", markdown)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Put every script of a page into a file: the security policy of the web server lets no other one run."""
    folder = Path(config["site_dir"]) / "assets" / "scripts"
    up = "../" * str(page.url).count("/")

    def to_file(script: re.Match[str]) -> str:
        return f'<script src="{up}assets/scripts/{_kept(script[1], folder, "js")}"></script>'

    return _INLINE.sub(to_file, output)


def on_post_build(config: Any) -> None:
    """Put every picture that stands in a style sheet into a file, for the same reason."""
    assets = Path(config["site_dir"]) / "assets"
    for sheet in (assets / "stylesheets").glob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        sheet.write_text(
            _PICTURE.sub(lambda one: f"url(../images/{_kept(_unquoted(one[2]), assets / 'images', 'svg')})", text),
            encoding="utf-8",
        )


def _unquoted(svg: str) -> str:
    return svg.replace("%23", "#").replace("\\", "")


def _kept(content: str, folder: Path, ending: str) -> str:
    """Write a file that is named by what it holds, and return its name."""
    name = f"{hashlib.sha256(content.encode()).hexdigest()[:16]}.{ending}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content, encoding="utf-8")
    return name
