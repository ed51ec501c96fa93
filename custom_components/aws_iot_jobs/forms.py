"""Forms with sections: what is entered is flat, and what is wrong is told where it is seen.

The page shows no error inside of a section. So an error of a field in a section is told for
the section as well, which is open then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import probatio

from homeassistant.config_entries import ConfigEntryBaseFlow, ConfigFlowResult
from homeassistant.data_entry_flow import section

from .errors import InvalidInputError


def folded(fields: Mapping[Any, Any], *, collapsed: bool = True) -> section:
    """Return a section with fields."""
    return section(probatio.Schema(fields), {"collapsed": collapsed})


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a step. Its fields have names of their own, in whatever section."""

    step_id: str
    schema: probatio.Schema

    @property
    def fields(self) -> set[str]:
        """All fields, those in sections too."""
        sections = self._sections()
        top = {str(key) for key in self.schema.schema} - sections.keys()
        return top.union(*sections.values())

    def flat(self, entered: Mapping[str, Any]) -> dict[str, Any]:
        """Return what has been entered, by field."""
        values = dict(entered)
        for name in self._sections():
            values |= values.pop(name, {})
        return values

    def show(
        self,
        flow: ConfigEntryBaseFlow,
        values: Mapping[str, Any],
        fault: InvalidInputError | None = None,
        **placeholders: str,
    ) -> ConfigFlowResult:
        """Show the form with values, and what is wrong with them.

        What concerns a field that the form does not have is told for the form as a whole.
        """
        errors = self._errors({} if fault is None else fault.errors)
        return flow.async_show_form(
            step_id=self.step_id,
            data_schema=flow.add_suggested_values_to_schema(
                self._opened(errors), self._nested(values)
            ),
            errors=errors,
            description_placeholders=placeholders
            | ({} if fault is None else fault.placeholders),
        )

    def _sections(self) -> dict[str, set[str]]:
        """Return the fields of each section."""
        return {
            str(key): {str(field) for field in value.schema.schema}
            for key, value in self.schema.schema.items()
            if isinstance(value, section)
        }

    def _errors(self, errors: Mapping[str, str]) -> dict[str, str]:
        fields = self.fields
        shown = {
            field if field in fields else "base": key for field, key in errors.items()
        }
        for name, inside in self._sections().items():
            for field in inside & shown.keys():
                shown[name] = shown[field]
        return shown

    def _nested(self, values: Mapping[str, Any]) -> dict[str, Any]:
        sections = {
            name: _only(values, inside) for name, inside in self._sections().items()
        }
        return {**values, **sections}

    def _opened(self, errors: Mapping[str, str]) -> probatio.Schema:
        """Return the schema with the sections open in which something is wrong."""
        return probatio.Schema(
            {
                key: section(value.schema, {"collapsed": False})
                if isinstance(value, section) and str(key) in errors
                else value
                for key, value in self.schema.schema.items()
            }
        )


def _only(values: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    return {field: values[field] for field in fields if field in values}
