"""A report as Markdown; its figures lie beside it in figures/."""

from modelhub.report.sections.document import Block, Document, Figure, Points, TableBlock


def document_markdown(document: Document) -> str:
    """Return the whole report as Markdown (GitHub's tables)."""
    lines = [f"# {_inline(document.title)}", ""]
    lines += [f"- {name}: {_inline(text)}" for name, text in document.facts] + [""]
    lines += [line for notice in document.notices for line in (f"> **{_inline(notice)}**", "")]
    for section in document.sections:
        prefix = "Appendix: " if section.place == "appendix" else ""
        lines += [f"## {prefix}{_inline(section.title)}", ""]
        for block in section.blocks:
            lines += [*_block(block), ""]
    lines += ["## How this report was made", "", *(f"- {name}: `{text}`" for name, text in document.footer)]
    return "\n".join(lines) + "\n"


def _block(block: Block) -> list[str]:
    if isinstance(block, TableBlock):
        return _table(block)
    if isinstance(block, Figure):
        return [
            f"![{_inline(block.title)}](figures/{block.key}.svg)",
            "",
            f"*{_inline(block.title)}.* {_inline(block.caption)} Numbers: [{block.csv}]({block.csv}).",
        ]
    if isinstance(block, Points):
        return [f"- {_inline(item)}" for item in block.items]
    return [f"> {_inline(block.text)}" if block.is_notice else _inline(block.text)]


def _table(table: TableBlock) -> list[str]:
    return [
        f"### {_inline(table.title)}",
        "",
        "| " + " | ".join(_inline(column.title) for column in table.columns) + " |",
        "| " + " | ".join("---:" if column.is_number else "---" for column in table.columns) + " |",
        *("| " + " | ".join(_inline(text) for text, _ in line) + " |" for line in table.lines),
        "",
        f"*{_inline(table.full_caption)}*",
    ]


def _inline(text: str) -> str:
    """Escape what Markdown or HTML would read as markup, and keep a cell on one line."""
    for character in "\\`*_[]|#":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())
