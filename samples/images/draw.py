"""Draws the images of samples/local-images.csv and of samples/broken.csv into this folder.

    python3 -m venv /tmp/draw && /tmp/draw/bin/pip install pillow && /tmp/draw/bin/python samples/images/draw.py
"""

from pathlib import Path

from PIL import Image, ImageDraw

HERE = Path(__file__).parent


def sky(width, height, top, bottom):
    """A picture with a colour that goes over from the top to the bottom."""
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    for y in range(height):
        share = y / (height - 1)
        draw.line([(0, y), (width, y)], tuple(round(a + (b - a) * share) for a, b in zip(top, bottom)))
    return picture, draw


def harbour():
    picture, draw = sky(1024, 576, (250, 196, 150), (122, 160, 190))
    draw.ellipse([690, 120, 790, 220], (255, 236, 190))
    draw.rectangle([0, 360, 1024, 576], (52, 92, 120))
    for x in range(0, 1024, 128):
        draw.line([(x, 420 + x % 3 * 40), (x + 90, 420 + x % 3 * 40)], (92, 134, 160), 4)
    draw.polygon([(300, 390), (620, 390), (570, 450), (350, 450)], (120, 62, 44))
    draw.line([(450, 390), (450, 150)], (70, 44, 34), 10)
    draw.polygon([(460, 160), (460, 370), (600, 370)], (244, 238, 226))
    return picture


def lighthouse():
    picture, draw = sky(512, 640, (22, 30, 62), (78, 92, 128))
    draw.polygon([(256, 150), (512, 60), (512, 230)], (238, 222, 150))
    draw.polygon([(0, 640), (0, 540), (200, 500), (330, 500), (512, 560), (512, 640)], (30, 34, 40))
    draw.polygon([(222, 180), (290, 180), (316, 510), (196, 510)], (236, 236, 232))
    for top, bottom, inset in [(240, 300, 5), (370, 430, 16)]:
        draw.polygon(
            [(222 - inset, top), (290 + inset, top), (294 + inset, bottom), (218 - inset, bottom)], (190, 44, 40)
        )
    draw.rectangle([226, 130, 286, 180], (255, 244, 190))
    draw.polygon([(216, 130), (296, 130), (256, 90)], (90, 26, 26))
    return picture


def kite():
    picture, draw = sky(640, 640, (96, 170, 226), (212, 236, 248))
    draw.polygon([(0, 640), (0, 560), (220, 500), (420, 560), (640, 520), (640, 640)], (222, 196, 140))
    draw.line([(400, 300), (300, 420), (180, 530)], (70, 70, 70), 3)
    draw.polygon([(330, 200), (420, 90), (490, 200), (400, 310)], (228, 72, 60))
    draw.line([(420, 90), (400, 310)], (120, 30, 26), 4)
    draw.line([(330, 200), (490, 200)], (120, 30, 26), 4)
    return picture


harbour().save(HERE / "harbour.jpg", quality=80, optimize=True)
lighthouse().save(HERE / "lighthouse.png", optimize=True)
kite().save(HERE / "kite.webp", quality=80, method=6)
# What the API does not take: the wrong kind, and too few pixels.
kite().resize((320, 320)).quantize(16).save(HERE / "kite.gif")
lighthouse().resize((128, 160)).save(HERE / "icon.png", optimize=True)
