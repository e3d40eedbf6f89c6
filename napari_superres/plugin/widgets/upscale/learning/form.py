"""A button that learns from a layer in a thread, and below it what came of it."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.worker.job import Job
from napari_superres.plugin.worker.learn import LearntModel

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer


class LearningForm(QWidget):
    """The button and the line. It is hidden until something is offered.

    Parameters
    ----------
    session
        Session of the panel, for the job.
    stepped
        Called with None at the start, then with each step of learning.
    ended
        Called at the end with the layer, and with the name of the model; empty if there is none.
    button
        The button.
    beside
        Widgets to its right.
    """

    def __init__(
        self,
        session: Session,
        stepped: Callable[[Any], None],
        ended: "Callable[[ImageLayer, str], None]",
        button: QPushButton,
        *beside: QWidget,
    ) -> None:
        super().__init__()
        self._session, self._stepped, self._ended = session, stepped, ended
        self._job: Job | None = None
        self._learnt = ""
        self.button = button
        self.verdict = forms.text()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(forms.row(button, *beside) if beside else button)
        layout.addWidget(self.verdict)
        self.hide()

    @property
    def is_running(self) -> bool:
        """Whether something is being learnt."""
        return self._job is not None

    def cancel(self) -> None:
        """Stop after the current step."""
        if self._job is not None:
            self._job.cancel()

    def learn(self, layer: "ImageLayer", steps: Callable[[], Generator[Any, None, None]], doing: str) -> None:
        """Start to learn from a layer.

        Parameters
        ----------
        layer
            Layer that is learnt from.
        steps
            Makes the generator of steps, which yields a `LearntModel` at the end.
        doing
            Description for napari, such as "learning from brain".
        """
        if self._job is not None:
            return
        self._learnt = ""
        forms.say(self.verdict, "")
        self._job = Job(
            steps,
            stepped=self._show,
            failed=forms.show_error,
            ended=lambda complete: self._finish(layer, complete),
            doing=doing,
        )
        self._stepped(None)
        self._session.add(self._job)

    def _show(self, step: Any) -> None:
        if not isinstance(step, LearntModel):
            self._stepped(step)
            return
        self._learnt = step.name
        forms.say(self.verdict, step.verdict)
        for note in step.notes:
            forms.show_warning(note)

    def _finish(self, layer: "ImageLayer", complete: bool) -> None:
        self._job = None
        self._ended(layer, self._learnt if complete else "")
