"""Those who want to be told of something, none of whom can harm another one."""

from collections.abc import Callable


class Listeners[T]:
    """A list of those who are told, in the event loop."""

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        """Begin with nobody; `on_error` gets what a listener raises."""
        self._on_error = on_error
        self._listeners: list[Callable[[T], None]] = []

    def add(self, listener: Callable[[T], None]) -> Callable[[], None]:
        """Tell one more; returns what ends that."""
        self._listeners.append(listener)

        def remove() -> None:
            self._listeners.remove(listener)

        return remove

    def tell(self, told: T) -> None:
        """Tell all of them."""
        for listener in tuple(self._listeners):
            try:
                listener(told)
            except Exception as err:  # noqa: BLE001
                self._on_error(err)
