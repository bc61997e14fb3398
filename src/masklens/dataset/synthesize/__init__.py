"""The mask painter: from a bare face and its landmarks, a face with a mask or a look-alike.

The idea of drawing masks by landmarks onto bare faces is Prajna Bhandary's (2020, the generator of
the report's data set); the idea of many kinds of masks and of following the head's turn is found in
MaskTheFace (Anwar and Raychowdhury, "Masked Face Recognition for Secure Authentication", 2020). No
code or picture of either is used: everything here is drawn from formulas.

A picture with landmarks and a box goes in, a painted copy with its label comes out.
"""

from masklens.dataset.synthesize.painter import STYLES, Painted, paint

__all__ = ["STYLES", "Painted", "paint"]
