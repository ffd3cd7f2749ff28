"""Queries that are put together once per process and then only asked.

Django builds the SQL of a query anew each time, which takes five to ten times as long as SQLite takes to answer it.
What a participant's click asks is always the same but for a few values, so it is built once, by Django, and kept.
Only for queries of every click: `python -m benchmarks.clicks` shows what one costs. services/statements.py writes in
the same way.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.query import RelatedPopulator, get_related_populators
from django.db.models.sql.compiler import SQLCompiler

M = TypeVar("M", bound=Model)

# What stands for a value while a query is put together; no key, token or id is ever one of these.
_TEXT, _NUMBER = "\x1fprepared\x1f", 2**61


class KeptQuery(Generic[M]):
    """A query with values that are filled in when it is asked.

    `build` returns the query for given values, which are compared with `=` and nothing else: texts in fields of text,
    and numbers in ids. It is called once, with the values' names and stand-ins; `texts` and `numbers` name them.
    """

    def __init__(
        self, build: Callable[..., QuerySet[M, Any]], *, texts: tuple[str, ...] = (), numbers: tuple[str, ...] = ()
    ) -> None:
        self._build = build
        self._stand_ins: dict[str, str | int] = {name: f"{_TEXT}{name}" for name in texts}
        self._stand_ins |= {name: _NUMBER + number for number, name in enumerate(numbers)}

    def objects(self, **values: str | int) -> Iterator[M]:
        """Yield the model's instances, with those of `select_related` and with annotations."""
        compiled = self._compiled
        for row in self.rows(**values):
            found: Any = compiled.model.from_db(connection.alias, compiled.names, row[compiled.own])
            for populator in compiled.related:
                populator.populate(row, found)
            for name, column in compiled.annotations.items():
                setattr(found, name, row[column])
            yield found

    def first(self, **values: str | int) -> M | None:
        """Return the first instance, if there is one."""
        return next(self.objects(**values), None)

    def rows(self, **values: str | int) -> list[Any]:
        """Return the rows as `values_list` would."""
        compiled = self._compiled
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, [values[name] if name else value for name, value in compiled.parameters])
            found = cursor.fetchall()
        if compiled.converters:
            return list(compiled.compiler.apply_converters(found, compiled.converters))
        return found

    @cached_property
    def _compiled(self) -> "_Compiled":
        return _Compiled(self._build(**self._stand_ins), self._stand_ins)


def attach(instance: Model, relation: str, rows: list[Any]) -> None:
    """Let `instance.RELATION.all()` be these rows without asking the database, as after `prefetch_related`."""
    queryset = getattr(instance, relation).get_queryset()
    queryset._result_cache, queryset._prefetch_done = rows, True
    kept: dict[str, Any] = instance.__dict__.setdefault("_prefetched_objects_cache", {})
    kept[relation] = queryset


class _Compiled:
    """What Django makes of a query: its SQL, and how its rows are read."""

    def __init__(self, queryset: QuerySet[Any, Any], stand_ins: dict[str, str | int]) -> None:
        compiler: SQLCompiler = queryset.query.get_compiler(connection=connection)
        self.compiler: Any = compiler
        self.sql, parameters = compiler.as_sql()
        names = {value: name for name, value in stand_ins.items()}
        self.parameters = [(names.get(value, ""), value) for value in parameters]
        assert {name for name, _ in self.parameters if name} == set(stand_ins), "a value is not part of the query"
        select: Any = compiler.select
        self.converters = self.compiler.get_converters([column for column, *_ in select])
        info: Any = compiler.klass_info
        self.related: list[RelatedPopulator] = []
        if info is not None:
            first, last = info["select_fields"][0], info["select_fields"][-1] + 1
            self.model, self.own = info["model"], slice(first, last)
            self.names = [column.target.attname for column, *_ in select[first:last]]
            self.related = get_related_populators(info, select, connection.alias)  # type: ignore[call-arg]
            self.annotations: dict[str, int] = compiler.annotation_col_map or {}
