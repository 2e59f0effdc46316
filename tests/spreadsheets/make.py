"""Writes the workbooks that tests/spreadsheets reads, as other programs write them: `make.py FOLDER`.

openpyxl and XlsxWriter differ in much: where texts stand, whether formulas have values, how links are written.
"""

import random
import re
import sys
import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path

import openpyxl
import xlsxwriter
from openpyxl.styles import PatternFill

FOLDER = Path(sys.argv[1])
IMAGES = Path(__file__).resolve().parents[2] / "samples" / "images"

COLUMNS = ["id", "prompt", "image_url", "duration", "resolution", "shot", "notes"]
URL = "https://img.example.org/"

# Ids that look like numbers, rows without one, and all that text can hold.
CLIPS = [
    ["boat", "A boat leaves the harbour", URL + "1.png", 6, "768P", 1, "opening"],
    ["007", "An agent orders tea", URL + "2.png", 10, "768P", 2, "007"],
    [12, "A dozen eggs roll off the table", URL + "3.png", 6, "1080P", 3, 0.5],
    [None, "一只小船在黎明离开港口", URL + "4.png", 6, "768P", 4, "镜头四"],
    [None, 'He says "no", and leaves', URL + "5.png", None, None, 5, 'a "quoted" word'],
    [None, "Line one\nline two", URL + "6.png", 10, None, 6, "two\nlines"],
    ["gulls; two", "Gulls, many; circling\tover the pier", URL + "7.png", 6, "768P", 7, ";,\t|"],
    ["größe", "Ein Straßenbahnfahrer übt", URL + "8.png", 6, "768P", 8, "Grüße"],
    ["sum", "=1+1 is written on the board", URL + "9.png", 6, "768P", 9, "'tis"],
    ["emoji", "A 🐈 on a 🛵", URL + "10.png", 6, "768P", 10, "🎬"],
    ["odd", "Nobody makes seven seconds", URL + "11.png", 7, "768P", 11, "invalid"],
    ["last", " spaces around ", URL + "12.png", 6, "768P", 12, None],
]

GERMAN = [
    ["Prompt", "Bild", "Dauer", "Auflösung", "Bemerkung"],
    ["Ein Straßenbahnfahrer übt für später", URL + "g1.png", 6, "768P", "Größe: 1,5 m; „groß“"],
    ["Über den Dächern – ein Käuzchen", URL + "g2.png", 10, "768P", "Ärger, später"],
]

CHINESE = [
    ["编号", "提示词", "图片链接", "时长", "分辨率", "备注"],
    ["镜头一", "一只小船在黎明离开港口,镜头缓缓跟随", URL + "c1.png", 6, "768P", "开场"],
    ["镜头二", "夜行列车驶过,窗口的灯光照亮雪地", URL + "c2.png", 10, "768P", "第二场"],
    ["镜头三", "热水注入茶杯,茶叶慢慢舒展", URL + "c3.png", 6, "1080P", "结尾"],
]


def xlsx(name, **options):
    return xlsxwriter.Workbook(FOLDER / name, {"strings_to_urls": False, "strings_to_formulas": False, **options})


def write_rows(sheet, rows, first=0):
    for row, cells in enumerate(rows, first):
        for column, cell in enumerate(cells):
            if cell is not None:
                sheet.write(row, column, cell)


def with_xlsxwriter(name, rows):
    book = xlsx(name)
    write_rows(book.add_worksheet("Shots"), rows)
    book.close()


def with_openpyxl(name, rows):
    book = openpyxl.Workbook()
    book.active.title = "Shots"
    for row, cells in enumerate(rows, 1):
        for column, value in enumerate(cells, 1):
            cell = book.active.cell(row, column, value)
            if isinstance(value, str):
                # Also where it begins with `=`.
                cell.data_type = "s"
    book.save(FOLDER / name)


def shown():
    """Values of every kind, and in the last column what people see of them."""
    book = xlsx("shown.xlsx")
    sheet = book.add_worksheet("Shots")
    form = lambda code: book.add_format({"num_format": code})
    write_rows(sheet, [["prompt", "image_url", "duration", "value", "seen"]])
    values = [
        (6, None, "6"),
        (6.0, "0.0", "6"),
        (0.1 + 0.2, None, "0.3"),
        (-0.25, None, "-0.25"),
        (1234567.5, "#,##0.00", "1234567.5"),
        (12345678901234, None, "12345678901234"),
        (0.5, "0%", "0.5"),
        (19.99, "€ 0.00", "19.99"),
        (date(2026, 11, 23), "dd.mm.yyyy", "2026-11-23"),
        (datetime(2026, 11, 23, 14, 5), "yyyy-mm-dd hh:mm", "2026-11-23 14:05:00"),
        (time(9, 30), "hh:mm", "09:30:00"),
        (timedelta(hours=36, minutes=5), "[h]:mm", "36:05:00"),
        (True, None, "TRUE"),
        (False, None, "FALSE"),
        ("007", None, "007"),
        ("6.0", None, "6.0"),
    ]
    for row, (value, code, seen) in enumerate(values, 1):
        write_rows(sheet, [[f"value {row}", f"{URL}{row}.png", 6.0]], row)
        match value:
            case timedelta():
                sheet.write_number(row, 3, value / timedelta(days=1), form(code))
            case date() | time():
                sheet.write_datetime(row, 3, value, form(code))
            case _:
                sheet.write(row, 3, value, form(code) if code else None)
        sheet.write_string(row, 4, seen)
    book.close()


def formulas():
    """openpyxl knows no values of formulas; LibreOffice computes them when it saves the file."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Shots"
    sheet.append(["prompt", "image_url", "duration", "base"])
    sheet.append(['="A boat, take "&1+1', '="https://img.example.org/"&"f.png"', "=2*3", "x"])
    sheet.append(["A train", f"{URL}train.png", 6, "=1/3"])
    book.save(FOLDER / "formulas.xlsx")


def links():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Shots"
    sheet.append(["prompt", "image_url"])
    for row, (text, target) in enumerate(
        [("the boat", URL + "boat.png"), (URL + "train.png", URL + "train.png"), (URL + "tea.png", URL + "old.png")], 2
    ):
        sheet.cell(row, 1, f"clip {row}")
        sheet.cell(row, 2, text).hyperlink = target
    book.save(FOLDER / "links.xlsx")


def merged():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Shots"
    for row in [
        ["prompt", "image_url", "scene"],
        ["one", URL + "a.png", "harbour"],
        ["two", None, None],
        ["three", URL + "b.png", None],
        ["four", None, "station"],
    ]:
        sheet.append(row)
    for cells in ["B2:B3", "B4:B5", "C2:C4"]:
        sheet.merge_cells(cells)
    book.save(FOLDER / "merged.xlsx")


def hidden():
    """Row 3 is hidden by hand, row 5 by a filter."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Shots"
    sheet.append(["prompt", "image_url", "ready"])
    for number in range(2, 7):
        sheet.append([f"clip {number}", f"{URL}{number}.png", "no" if number == 5 else "yes"])
    sheet.row_dimensions[3].hidden = True
    sheet.auto_filter.ref = "A1:C6"
    sheet.auto_filter.add_filter_column(2, ["yes"])
    sheet.row_dimensions[5].hidden = True
    book.save(FOLDER / "hidden.xlsx")


def titles():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Spring film"
    sheet["A1"] = "Harbour film, spring 2026"
    sheet.merge_cells("A1:D1")
    sheet["B3"] = "last change: 23 November"
    for column, name in enumerate(["prompt", "image_url", "duration"], 2):
        sheet.cell(5, column, name)
    for row in [6, 7, 9]:
        for column, value in enumerate([f"clip {row}", f"{URL}{row}.png", 6], 2):
            sheet.cell(row, column, value)
    book.save(FOLDER / "titles.xlsx")


def sheets():
    book = openpyxl.Workbook()
    book.active.title = "Read me"
    book.active.append(["Only the sheet `Day` is ready"])
    for title, rows in [("Day", 2), ("Night shots", 3), ("Old", 4)]:
        sheet = book.create_sheet(title)
        sheet.append(["prompt", "image_url"])
        for number in range(rows):
            sheet.append([f"{title} {number}", f"{URL}{title[0]}{number}.png"])
    book["Old"].sheet_state = "hidden"
    book.save(FOLDER / "sheets.xlsx")


def pictures():
    """Row 2 has an address, row 3 a picture over its cell, row 4 one in its cell."""
    book = xlsx("pictures.xlsx")
    sheet = book.add_worksheet("Shots")
    write_rows(sheet, [["prompt", "image_url"], ["one", URL + "1.png"], ["two"], ["three"]])
    sheet.set_column(1, 1, 40)
    for row in [2, 3]:
        sheet.set_row(row, 160)
    sheet.insert_image("B3", str(IMAGES / "harbour.jpg"), {"x_scale": 0.1, "y_scale": 0.1})
    sheet.embed_image("B4", str(IMAGES / "lighthouse.png"))
    book.close()


def oracle():
    """Cells of every kind in no order, from a seed, to be read by somebody else's reader, too."""
    chance = random.Random(4)
    book = xlsx("oracle.xlsx")
    sheet = book.add_worksheet("Shots")
    day, moment, percent = (book.add_format({"num_format": code}) for code in ["yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss", "0.0%"])
    write_rows(sheet, [["prompt", "image_url", "a", "b", "c", "d"]])
    letters = "abc XYZ 019 äöüß 一只船 🐈 \"',;\n<&>_x0041_"

    def put(row, column):
        match chance.randrange(9):
            case 0:
                sheet.write_number(row, column, chance.randrange(-10**6, 10**6))
            case 1:
                sheet.write_number(row, column, chance.uniform(-1, 1) * 10 ** chance.randrange(-6, 12))
            case 2:
                sheet.write_datetime(row, column, datetime(1950, 1, 1) + timedelta(days=chance.randrange(40_000)), day)
            case 3:
                moment_of = datetime(2000, 1, 1) + timedelta(seconds=chance.randrange(10**9))
                sheet.write_datetime(row, column, moment_of, moment)
            case 4:
                sheet.write_boolean(row, column, chance.random() < 0.5)
            case 5:
                sheet.write_number(row, column, chance.randrange(1000) / 1000, percent)
            case 6:
                sheet.write_formula(row, column, "=1+1", None, 2)
            case 7:
                pass
            case _:
                text = "".join(chance.choice(letters) for _ in range(chance.randrange(1, 30)))
                # Spaces beside others or at the ends of lines are a matter of opinion in ODS: readers differ.
                text = re.sub(r" *\n *", "\n", re.sub(" +", " ", text.strip()))
                sheet.write_string(row, column, text or "-")

    for row in range(1, 301):
        write_rows(sheet, [[f"clip {row}", f"{URL}{row}.png"]], row)
        for column in range(2, 6):
            put(row, column)
    book.close()


def empty_rows():
    """A table of two rows, and a million rows that somebody once coloured."""
    book = xlsx("empty-rows.xlsx")
    sheet = book.add_worksheet("Shots")
    write_rows(sheet, [["prompt", "image_url"], ["one", URL + "1.png"], ["two", URL + "2.png"]])
    sheet.write_blank(3, 0, None, book.add_format({"bg_color": "#FFFF00"}))
    book.close()
    path, written = FOLDER / "empty-rows.xlsx", {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            written[name] = archive.read(name).decode()
    # The coloured row once more, a million times: XlsxWriter would take ten seconds for it.
    before, row, after = re.split(r'(<row r="4".*?</row>)', written["xl/worksheets/sheet1.xml"])
    rows = (row.replace('r="4"', f'r="{number}"').replace('"A4"', f'"A{number}"') for number in range(4, 1_000_004))
    written["xl/worksheets/sheet1.xml"] = before + "".join(rows) + after
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in written.items():
            archive.writestr(name, text)


def far_cell():
    """Somebody's key press in the last cell there is."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["prompt", "image_url"])
    sheet.append(["one", URL + "1.png"])
    sheet["XFD1048576"] = "x"
    sheet["XFD1048576"].fill = PatternFill("solid", fgColor="FFFF00")
    book.save(FOLDER / "far-cell.xlsx")


with_xlsxwriter("clips.xlsx", [COLUMNS, *CLIPS])
with_openpyxl("clips-openpyxl.xlsx", [COLUMNS, *CLIPS])
with_xlsxwriter("german.xlsx", GERMAN)
with_openpyxl("chinese.xlsx", CHINESE)
for write in [shown, formulas, links, merged, hidden, titles, sheets, pictures, oracle, empty_rows, far_cell]:
    write()
