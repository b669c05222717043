from headrace.prediction import Box
from headrace.providers.local.grids import Grid, Square, as_table, is_made_of_fields, tables_among
from tests.local.pages import words

WIDTH, HEIGHT = 100.0, 20.0


def grid(*rows, ruled=True, left=0.0, top=0.0, open_right=(), open_bottom=()):
    """A grid of equal squares; `open_right` and `open_bottom` name the squares (row, column) without that rule."""
    return Grid(
        tuple(
            tuple(
                Square(
                    Box(
                        xmin=left + column * WIDTH, ymin=top + row * HEIGHT,
                        xmax=left + (column + 1) * WIDTH, ymax=top + (row + 1) * HEIGHT,
                    ),
                    text,
                    right=(row, column) not in open_right,
                    bottom=(row, column) not in open_bottom,
                )
                for column, text in enumerate(texts)
            )
            for row, texts in enumerate(rows)
        ),
        ruled=ruled,
        accuracy=95.0,
    )  # fmt: skip


def cells(table):
    return [(cell.row, cell.column, cell.label, cell.text) for cell in table.cells]


def test_headings_become_labels_and_no_row():
    table = as_table(grid(["Item", "Amount"], ["Board", "12.00"]), [])
    assert cells(table) == [(1, 1, "Item", "Board"), (1, 2, "Amount", "12.00")]
    assert (table.score, table.score_raw) == (0.95, 95.0)


def test_a_first_row_with_digits_or_twins_is_a_row_like_any_other():
    assert cells(as_table(grid(["2025", "2026"], ["1", "2"]), []))[0] == (1, 1, "", "2025")
    assert cells(as_table(grid(["Price", "price"], ["1", "2"]), []))[0] == (1, 1, "", "Price")
    assert cells(as_table(grid(["", "", "Price"], ["1", "2", "3"]), []))[0] == (1, 1, "", "")


def test_one_heading_may_be_missing():
    assert cells(as_table(grid(["", "In", "Out"], ["Mon", "1", "2"]), []))[0] == (1, 1, "", "Mon")


def test_a_cell_over_several_squares_is_given_once():
    spanning = grid(["Year 1", "", "x"], ["a", "b", "c"], ["", "d", "e"], open_right={(0, 0)}, open_bottom={(1, 0)})
    table = as_table(spanning, [])
    assert [(c.row, c.column, c.row_span, c.column_span, c.text) for c in table.cells] == [
        (1, 1, 1, 2, "Year 1"), (1, 3, 1, 1, "x"),
        (2, 1, 2, 1, "a"), (2, 2, 1, 1, "b"), (2, 3, 1, 1, "c"),
        (3, 2, 1, 1, "d"), (3, 3, 1, 1, "e"),
    ]  # fmt: skip
    assert table.cells[0].box == Box(xmin=0, ymin=0, xmax=200, ymax=20)


def test_lines_of_a_cell_stay_apart():
    assert cells(as_table(grid(["two \nlines", "x1"], ["a", "b"]), []))[0][3] == "two\nlines"


def test_right_to_left_cells_are_read_in_order():
    drawn = grid(["a1", "b"], ["םולש", "c"])
    placed = words(5, 22, "שלום")
    assert cells(as_table(drawn, placed))[2][3] == "שלום"


def test_prose_in_two_columns_is_no_table():
    letter = [["the summer was dry and the water", "in the spring the race will be"]] * 6
    assert tables_among([grid(*letter, ruled=False)]) == []


def test_one_row_or_one_column_is_no_table():
    assert tables_among([grid(["a", "b"]), grid(["a"], ["b"]), grid(["a", ""], ["b", ""])]) == []


def test_a_letterhead_above_a_table_is_cut_off():
    letterhead = [["Mill Ltd", "", "", ""], ["", "", "4 Weir Lane", ""]] * 4
    items = [
        ["Item", "Quantity", "Price", "Amount"],
        ["Board", "2", "6.00", "12.00"],
        ["of oak", "", "", ""],
        ["Glue", "1", "3.00", "3.00"],
    ]
    (table,) = tables_among([grid(*letterhead, *items, ruled=False)])
    assert [square.text for square in table.rows[0]] == ["Item", "Quantity", "Price", "Amount"]
    assert len(table.rows) == 4


def test_ruled_lines_are_believed_before_aligned_text():
    ruled = grid(["Item", "Amount"], ["Board", "12.00"], top=40)
    aligned = grid(["Bank", "Page"], ["Account", "7"], ["Item", "Amount"], ["Board", "12.00"], ruled=False)
    assert tables_among([aligned, ruled]) == [ruled]


def test_tables_come_from_the_top():
    upper, lower = grid(["a", "b"], ["c", "d"]), grid(["e", "f"], ["g", "h"], top=200)
    assert tables_among([lower, upper]) == [upper, lower]


def test_a_block_of_labelled_values_is_no_table_unless_it_is_ruled():
    placed = words(0, 2, "Subtotal") + words(100, 2, "10.00") + words(0, 22, "Total") + words(100, 22, "12.00")
    block = [["Subtotal", "10.00"], ["Total", "12.00"]]
    boxes = [word.box for word in placed[2:]]
    assert is_made_of_fields(grid(*block, ruled=False), placed, boxes)
    assert not is_made_of_fields(grid(*block), placed, boxes)
    assert not is_made_of_fields(grid(*block, ruled=False), placed, [])
