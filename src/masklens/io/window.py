"""A window that shows pictures and hears keys, with Tk: the headless OpenCV has none.

Tk comes with most Pythons (on Debian: ``apt-get install python3-tk``). All calls must come from the
thread that made the window.
"""

from __future__ import annotations

from typing import Any, Self

import cv2
from PIL import Image as PillowImage

from masklens.crop import Image
from masklens.errors import OutputError

#: Share of the screen that a picture may take.
_SCREEN = 0.85


class Window:
    """A window for a stream of pictures.

    Attributes:
        closed: the user closed it, or pressed q or Esc.
        paused: the space bar was pressed, and not again since.

    Raises:
        OutputError: no Tk, or no display to show it on.
    """

    def __init__(self, title: str) -> None:
        self._root, self._tk_image = _open(title)
        self._canvas: Any = None
        self._photo: Any = None
        self.closed = False
        self.paused = False
        self._save = False
        root = self._root
        root.protocol("WM_DELETE_WINDOW", self._close)
        for key in ("q", "Q", "<Escape>"):
            root.bind(key, lambda _: self._close())
        root.bind("<space>", lambda _: self._toggle())
        for key in ("s", "S"):
            root.bind(key, lambda _: self._ask())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._photo = None
        self._root.destroy()

    def show(self, image: Image) -> None:
        """Show a picture, uint8 (H, W, 3), RGB, scaled down where the screen is smaller."""
        import tkinter

        height, width = image.shape[:2]
        screen = (self._root.winfo_screenwidth(), self._root.winfo_screenheight())
        scale = min(1.0, _SCREEN * screen[0] / width, _SCREEN * screen[1] / height)
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        picture = PillowImage.fromarray(image)
        if self._photo is None or (self._photo.width(), self._photo.height()) != picture.size:
            self._photo = self._tk_image.PhotoImage(picture, master=self._root)
            if self._canvas is None:
                self._canvas = tkinter.Label(self._root, borderwidth=0, background="black")
                self._canvas.pack()
            self._canvas.configure(image=self._photo)
        else:
            self._photo.paste(picture)
        self.listen()

    def listen(self) -> None:
        """Let the window hear keys and redraw itself."""
        if not self.closed:
            self._root.update()

    @property
    def wants_picture(self) -> bool:
        """Whether s was pressed since this was last asked."""
        asked, self._save = self._save, False
        return asked

    def _close(self) -> None:
        self.closed = True

    def _toggle(self) -> None:
        self.paused = not self.paused

    def _ask(self) -> None:
        self._save = True


def _open(title: str) -> tuple[Any, Any]:
    try:
        import tkinter

        from PIL import ImageTk
    except ImportError as error:
        raise OutputError(
            "This Python has no Tk, which a window needs (on Debian: apt-get install python3-tk). "
            "Without --show everything else works."
        ) from error
    try:
        root = tkinter.Tk(className="masklens")
    except tkinter.TclError as error:
        raise OutputError(
            "There is no display to open a window on. Leave --show out; --record makes a video."
        ) from error
    root.title(title)
    root.configure(background="black")
    return root, ImageTk
