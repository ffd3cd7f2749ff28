"""The items of a draft, one by one: a list, and a page to change, add or remove one."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotation.differences import differences
from annotation.errors import ServiceError, StaleVersion
from annotation.http import get_study_to_run, head_changes_nothing, read_view, request_user
from annotation.models import Study
from annotation.protocol import definition_hash, definition_of
from annotation.services.studies import study_rewrite
from annotation.studyfile import file_data, read_study_data
from annotation.studyforms.bound import Binder, place_problems
from annotation.studyforms.editing import item_name, item_shape, languages_in
from annotation.studyforms.sections import ITEMS, form_sections, section_of_key
from annotation.studyforms.states import settled, state_of, state_sent
from annotation.views.research_make_edit import frozen_page, save_problem

PAGE_SIZE = 50


@read_view
def items(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """List the items of a draft."""
    study = get_study_to_run(request, slug, version)
    if study.state != Study.State.DRAFT:
        return frozen_page(request, study)
    listed = study.items.filter(planted_part__isnull=True).order_by("ordinal").prefetch_related("personas")
    page = Paginator(listed, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"study": study, "sections": form_sections(), "page": page, "first": page.start_index()}
    return render(request, "annotation/research/make_items.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@head_changes_nothing
def item(request: HttpRequest, slug: str, version: int, place: int) -> HttpResponse:
    """Show an item by its place, counted from 1, and change or remove it; place 0 is a new one."""
    study = get_study_to_run(request, slug, version)
    if study.state != Study.State.DRAFT or study.items_imported:
        return frozen_page(request, study)
    data = file_data(definition_of(study))
    editor = _ItemEditor(request, study, data, list(data[ITEMS]))
    if request.method != "POST":
        if place > len(editor.listed):
            raise Http404("There is no such item.")
        editor.place = place
        return editor.page(state_of(item_shape(), editor.listed[place - 1]) if place else {})
    return editor.take()


class _ItemEditor:
    """One item of a study, by its place from 1; 0 is a new one. A form names the item by the id that it had."""

    def __init__(self, request: HttpRequest, study: Study, data: dict[str, Any], listed: list[Any]) -> None:
        self.request, self.study, self.data, self.listed = request, study, data, listed
        was = request.POST.get("was", "")
        self.place = next((place for place, one in enumerate(listed, start=1) if one["id"] == was), 0)

    @property
    def index(self) -> int:
        """Where it stands in the list, or will."""
        return self.place - 1 if self.place else len(self.listed)

    def take(self) -> HttpResponse:
        """Save or remove the item, or show the form again with the reason why not."""
        with TemporaryDirectory() as folder:
            return self._taken(Path(folder))

    def _taken(self, folder: Path) -> HttpResponse:
        removes = self.request.POST.get("do") == "remove"
        state = state_sent(item_shape(), item_name(self.index), self._sent(folder), languages_in(self.data))
        new = [] if removes else [settled(item_shape(), state)]
        listed = [*self.listed[: self.index], *new, *self.listed[self.index + 1 :]]
        try:
            study_rewrite(
                study=self.study,
                definition=read_study_data({**self.data, ITEMS: listed}, folder),
                seen=self.request.POST.get("seen", ""),
                user=request_user(self.request),
                discard_outputs="discard" in self.request.POST,
            )
        except StaleVersion:
            stands = {ITEMS: self.listed[self.index : self.index + 1]}
            return self.page(state, stale=True, differences=differences(stands, {ITEMS: new}), status=409)
        except ServiceError as error:
            return self.page(state, removes=removes, **save_problem(error))
        messages.success(self.request, _("Removed.") if removes else _("Saved."))
        return redirect("annotation:make_items", self.study.slug, self.study.version)

    def _sent(self, folder: Path) -> dict[str, str]:
        """Return what was typed under the name that the item has now: others may have come before it or gone.

        An image that was sent along is put into the folder, and stands for the one that was named.
        """
        typed = {name: value for name, value in self.request.POST.items() if name.startswith(f"{ITEMS}.")}
        fields = {name.split(".", 2)[-1]: str(value) for name, value in typed.items()}
        if image := self.request.FILES.get("new_image"):
            fields["image"] = Path(image.name or "image").name
            (folder / fields["image"]).write_bytes(image.read())
        return {f"{item_name(self.index)}.{name}": value for name, value in fields.items()}

    def page(self, state: Any, *, status: int = 200, **extra: Any) -> HttpResponse:
        """Render the form with what was typed."""
        top = Binder(languages_in(self.data)).bound(item_shape(), item_name(self.index), state)
        elsewhere = place_problems([top], extra.pop("file_problems", []))
        was = self.listed[self.index]["id"] if self.place else ""
        context = {
            "study": self.study,
            "sections": form_sections(),
            "inputs": top.children,
            "wrong": [one for one in top.walk() if one.problems],
            "elsewhere": [(problem, section_of_key(problem.path.split(".")[0].split("[")[0])) for problem in elsewhere],
            "place": self.place,
            "stands": self.study.items.filter(key=was).first(),
            "was": was,
            "seen": definition_hash(self.study),
            **extra,
        }
        return render(self.request, "annotation/research/make_item.html", context, status=status)
