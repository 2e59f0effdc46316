"""Tells what openpyxl sees in a workbook: `look.py FILE` prints JSON, sheet by sheet."""

import json
import sys

import openpyxl


def fill_of(cell):
    return cell.fill.fgColor.rgb if cell.fill.patternType == "solid" else None


def seen(cell):
    return {
        "value": cell.value,
        # `f` for a formula, `n` for a number, `s` for text.
        "type": cell.data_type,
        "link": (cell.hyperlink.target or cell.hyperlink.location) if cell.hyperlink else None,
        "fill": fill_of(cell),
        "format": cell.number_format,
    }


book = openpyxl.load_workbook(sys.argv[1])
print(
    json.dumps(
        [
            {
                "name": sheet.title,
                "frozen": sheet.freeze_panes,
                "filter": sheet.auto_filter.ref,
                "widths": [width.width for width in sheet.column_dimensions.values()],
                "rows": [[seen(cell) for cell in row] for row in sheet.iter_rows()],
                "lists": [[str(rule.sqref), rule.formula1] for rule in sheet.data_validations.dataValidation],
            }
            for sheet in book
        ],
        default=str,
    )
)
