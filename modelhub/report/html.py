"""A report as one HTML file that needs nothing else: its own style, and every figure inside it."""

from django.template.loader import render_to_string

from modelhub.report.sections.document import Document


def document_html(document: Document) -> str:
    """Return the whole report as a page of its own. The analysts' page renders the same partials with workbench.css."""
    return render_to_string("modelhub/report/standalone.html", {"document": document})
