"""The names of settings: the variables that users set, what is wrong with one, and which are misspelt."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

from pydantic import AliasChoices, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from market_pipeline.permitted import permitted

PREFIX = "MARKET_PIPELINE_"


def aliases(field: FieldInfo) -> list[str]:
    """The names of a setting that has others than the prefix and its own; the last one is the variable."""
    alias = field.validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else []


def variable_of(name: str, field: FieldInfo) -> str:
    """The variable of a setting."""
    return next(reversed(aliases(field)), f"{PREFIX}{name.upper()}")


def misspelt(names: Iterable[str], fields: Mapping[str, FieldInfo], others: Collection[str]) -> dict[str, str | None]:
    """The names of ours among these that no setting has, and what may have been meant.

    Args:
        names: of variables.
        fields: the settings.
        others: names of ours that are no settings.
    """
    known = {f"{PREFIX}{name.upper()}" for name in fields} | set(others)
    known |= {alias for field in fields.values() for alias in aliases(field) if alias.isupper()}
    ours = (name for name in names if name.upper().startswith(PREFIX) and name.upper() not in known)
    return {name: next(iter(get_close_matches(name.upper(), sorted(known), 1)), None) for name in ours}


def complaint(settings: type[BaseSettings], error: ValidationError) -> str:
    """The first variable that is wrong, and what it may be."""
    fields, first = settings.model_fields, error.errors(include_url=False, include_input=False)[0]
    found = str(first["loc"][0])
    name = next(
        (name for name, field in fields.items() if found in (name, variable_of(name, field), *aliases(field))), found
    )
    variable = variable_of(name, fields[name])
    if first["type"] == "value_error":  # from a validator of ours, which says all
        return f"{variable}: {first['ctx']['error']}"
    meaning = fields[name].description
    may_be = permitted(settings.model_json_schema(by_alias=False)["properties"][name])
    return f"{variable} must be {may_be}" + (f" ({meaning})" if meaning else "")
