"""Make a study: from a file, from one to start from, as a copy, or as the next version of one that is frozen."""

from annotation.errors import ServiceError
from annotation.models import Study, User
from annotation.protocol import definition_of
from annotation.services.log import audit_log
from annotation.services.studies import study_save
from annotation.studyfile import StudyDefinition, file_data, read_study_data


def study_make(*, definition: StudyDefinition, owner: User) -> Study:
    """Create a study of its own, in its first version. Raises ServiceError if the short name is taken."""
    if Study.objects.filter(slug=definition.slug).exists():
        raise ServiceError(f"There is a study called {definition.slug} already; give this one another short name.")
    return study_save(definition=definition, owner=owner)


def study_make_named(*, definition: StudyDefinition, slug: str, title: str, owner: User) -> Study:
    """Create a study as `definition` says, with a name and a title of its own.

    Raises:
        StudyFileError: the name or the title is none.
        ServiceError: the name is taken.
    """
    return study_make(definition=read_study_data({**file_data(definition), "slug": slug, "title": title}), owner=owner)


def study_copy(*, study: Study, slug: str, title: str, owner: User) -> Study:
    """Create a study with the texts, the design and the items of another one, and nothing else of it; logged with both.

    Raises as `study_make_named`.
    """
    made = study_make_named(definition=definition_of(study), slug=slug, title=title, owner=owner)
    audit_log(user=owner, action="study_copy", study=study, copy=made.slug)
    return made


def study_renew(*, study: Study, user: User) -> Study:
    """Create a draft of the next version with the same texts, design and items; its arms have no systems yet."""
    return study_save(definition=definition_of(study), owner=study.owner, new_version=True, user=user)
