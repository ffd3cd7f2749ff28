"""Say which package is missing, and how to install it, before anything heavy is imported."""

from importlib.util import find_spec

from modelhub.engines.base import EngineError


def require(engine: str, packages: tuple[str, ...], requirements: str) -> None:
    """Raise EngineError naming the packages of `engine` that are not installed, and the command that installs them."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        one = len(missing) == 1
        raise EngineError(
            f"The {engine} engine needs the package{'' if one else 's'} {', '.join(missing)}, which "
            f"{'is' if one else 'are'} not installed here. Install with: pip install -r {requirements}"
        )
