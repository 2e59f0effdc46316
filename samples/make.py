#!/usr/bin/env python3
"""Makes the manifests of this folder from source.json.

    python3 -m venv /tmp/samples && /tmp/samples/bin/pip install -r samples/requirements.txt
    /tmp/samples/bin/python samples/make.py            # writes what is missing or differs
    /tmp/samples/bin/python samples/make.py --check    # says what differs, writes nothing

Text is the same to the byte each time. Workbooks are compared by what is in their cells: programs write their own
name and the time into them. quickstart.ods and quickstart.xls need LibreOffice (`soffice`).
"""

import csv
import io
import json
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import openpyxl
import xlsxwriter

HERE = Path(__file__).resolve().parent
SOURCE = json.loads((HERE / "source.json").read_text(encoding="utf-8"))
TABLES = SOURCE["tables"]

# Without a fixed one every workbook would differ.
CREATED = datetime(2026, 11, 23, 12, 0, 0)


def rows_of(table):
    return [TABLES[table]["columns"], *TABLES[table]["rows"]]


# ---- text ----


def separated(rows, delimiter=",", line_end="\n"):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=line_end).writerows(rows)
    return text.getvalue()


def objects(table):
    """The rows as objects: numbers as one writes them in JSON, and no empty cells."""
    columns = TABLES[table]["columns"]
    for row in TABLES[table]["rows"]:
        yield {name: number_or_text(cell) for name, cell in zip(columns, row, strict=True) if cell != ""}


def json_lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)


def broken():
    """Line by line: no program writes such a file by itself."""
    content = bytearray()
    for line in SOURCE["broken"]:
        if isinstance(line, dict):
            ((encoding, text),) = line.items()
        else:
            # A part that is a list stands for its text so many times.
            parts = line if isinstance(line, list) else [line]
            encoding, text = "utf-8", "".join(part if isinstance(part, str) else part[0] * part[1] for part in parts)
        content += text.encode(encoding) + b"\n"
    return bytes(content)


def title_rows():
    """What people put above a table that is meant to be read by people."""
    rows = rows_of("quickstart")
    width = len(rows[0])
    blank = [""] * (width - 1)
    return [["Harbour film, spring 2026", *blank], ["last change: 23 November", *blank], ["", *blank], *rows[:5]]


def texts():
    utf8 = {
        "quickstart.csv": separated(rows_of("quickstart")),
        "quickstart.tsv": separated(rows_of("quickstart"), "\t"),
        "quickstart.jsonl": json_lines(objects("quickstart")),
        "prompts.tsv": separated(rows_of("prompts"), "\t"),
        "requests.jsonl": json_lines(SOURCE["requests"]),
        "chinese-headers.csv": separated(rows_of("chinese-headers")),
        "local-images.csv": separated(rows_of("local-images")),
        "title-rows.csv": separated(title_rows()),
    }
    made = {name: text.encode("utf-8") for name, text in utf8.items()}
    made["broken.csv"] = broken()
    # A Chinese Windows with `;` as its list separator.
    made["gb18030-semicolon.csv"] = separated(rows_of("chinese-headers"), ";", "\r\n").encode("gb18030")
    # Excel's `Unicode Text`: UTF-16, little end first, with a byte order mark and tabs.
    made["utf-16.tsv"] = b"\xff\xfe" + separated(rows_of("japanese-headers"), "\t", "\r\n").encode("utf-16-le")
    # Excel's plain `CSV` in Germany.
    made["german-semicolon.csv"] = separated(rows_of("german-headers"), ";", "\r\n").encode("windows-1252")
    return made


# ---- workbooks ----


def number_or_text(cell):
    return int(cell) if cell.isascii() and cell.isdigit() else cell


def quickstart_sheets():
    header, *rows = rows_of("quickstart")
    cells = [[number_or_text(cell) if cell != "" else None for cell in row] for row in rows]
    return [{"name": "Shots", "widths": [12, 70, 40, 10, 12, 40], "rows": [header, *cells], "merged": [], "hidden_rows": []}]


def write_workbook(path, sheets):
    workbook = xlsxwriter.Workbook(path)
    workbook.set_properties({"created": CREATED})
    merged_format = workbook.add_format({"valign": "top", "text_wrap": True})
    date_format = workbook.add_format({"num_format": "yyyy-mm-dd"})
    for sheet in sheets:
        worksheet = workbook.add_worksheet(sheet["name"])
        for column, width in enumerate(sheet["widths"]):
            worksheet.set_column(column, column, width)
        for cells in sheet["merged"]:
            worksheet.merge_range(cells, "", merged_format)
        for row, cells in enumerate(sheet["rows"]):
            for column, cell in enumerate(cells):
                write_cell(worksheet, row, column, cell, date_format)
        for row in sheet["hidden_rows"]:
            worksheet.set_row(row - 1, None, None, {"hidden": True})
        if sheet.get("hidden"):
            worksheet.hide()
    workbook.close()


def write_cell(worksheet, row, column, cell, date_format):
    match cell:
        case None | "":
            pass
        case {"date": day}:
            worksheet.write_datetime(row, column, datetime.fromisoformat(day), date_format)
        case {"link": target, "text": text}:
            worksheet.write_url(row, column, target, string=text)
        case {"formula": formula, "value": value}:
            worksheet.write_formula(row, column, formula, None, value)
        case str():
            # An address as text: XlsxWriter would make a link of it.
            worksheet.write_string(row, column, cell)
        case _:
            worksheet.write(row, column, cell)


def workbooks():
    return {"quickstart.xlsx": quickstart_sheets(), "storyboard.xlsx": SOURCE["storyboard"]}


def cells_of(path):
    """What is in a workbook: every cell with its link, what is merged, what is hidden."""
    formulas, values = openpyxl.load_workbook(path), openpyxl.load_workbook(path, data_only=True)
    found = {}
    for sheet in formulas:
        cells = {}
        for row in sheet.iter_rows():
            for cell in row:
                if cell.value is not None:
                    shown = values[sheet.title][cell.coordinate].value
                    link = cell.hyperlink.target if cell.hyperlink else None
                    cells[cell.coordinate] = (cell.value, shown, link)
        merged = sorted(str(cells) for cells in sheet.merged_cells.ranges)
        hidden = [row for row, shape in sheet.row_dimensions.items() if shape.hidden]
        found[sheet.title] = {"state": sheet.sheet_state, "cells": cells, "merged": merged, "hidden_rows": hidden}
    return found


def convert(path, kind, folder):
    """The workbook as LibreOffice writes it in another format."""
    # A profile of its own: another LibreOffice may be running.
    profile = folder / "profile"
    command = ["soffice", f"-env:UserInstallation={profile.as_uri()}", "--headless", "--convert-to", kind]
    subprocess.run([*command, "--outdir", folder, path], check=True, stdout=subprocess.DEVNULL, timeout=300)
    return folder / f"{path.stem}.{kind}"


# ---- command ----


def different_cells(path, expected, folder):
    """What a workbook of this folder has otherwise than it should have, in words; None if nothing."""
    if not path.exists():
        return "is missing"
    readable = path if path.suffix == ".xlsx" else convert(path, "xlsx", folder)
    found, expected = cells_of(readable), cells_of(expected)
    if list(found) != list(expected):
        return f"has the sheets {list(found)} instead of {list(expected)}"
    for sheet, parts in expected.items():
        for name, part in parts.items():
            if found[sheet][name] != part:
                return f"differs in {sheet}: {first_difference(name, found[sheet][name], part)}"
    return None


def first_difference(name, found, expected):
    if not isinstance(expected, dict):
        return f"{name} is {found} instead of {expected}"
    cell = next(cell for cell in expected | found if found.get(cell) != expected.get(cell))
    return f"{cell} has {found.get(cell)} instead of {expected.get(cell)}"


def main():
    only_check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not only_check:
        sys.exit(__doc__)
    wrong = []

    def differs(path, why, write):
        if only_check:
            wrong.append(f"{path.name} {why}")
        else:
            write()
            print(f"wrote {path.name}")

    for name, content in texts().items():
        path = HERE / name
        if not path.exists() or path.read_bytes() != content:
            differs(path, "is not what source.json says", lambda: path.write_bytes(content))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "new").mkdir()
        for name, sheets in workbooks().items():
            path, fresh = HERE / name, folder / "new" / name
            write_workbook(fresh, sheets)
            why = different_cells(path, fresh, folder)
            if why:
                differs(path, why, lambda: shutil.copyfile(fresh, path))
        for kind in ["ods", "xls"]:
            path, fresh = HERE / f"quickstart.{kind}", folder / "new" / "quickstart.xlsx"
            why = different_cells(path, fresh, folder)
            if why:
                differs(path, why, lambda: shutil.copyfile(convert(fresh, kind, folder), path))
    if wrong:
        sys.exit("\n".join([*wrong, "run samples/make.py, or correct samples/source.json"]))
    print("the samples are what source.json says" if only_check else "done")


if __name__ == "__main__":
    main()
