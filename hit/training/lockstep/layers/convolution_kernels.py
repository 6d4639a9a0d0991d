"""Triton kernels of convolutions of many models at once, as implicit products of matrices: no window is ever stored.

Sums are kept in float32. What belongs to model m lies at `m * stride` in every tensor; offsets within a model are of
32 bits. Maps are `[model, image, channel, row, column]` in any strides, quickest with the channels last.
"""

# ruff: noqa: SIM102 - constants are decided when a kernel is compiled

__all__ = ["convolve", "weigh"]

import triton
import triton.language as tl


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def convolve(  # type: ignore[no-untyped-def]
    x, w, bias, y,
    images, height, width, out_height, out_width,
    x_model, x_image, x_channel, x_row, x_column,
    w_model, w_out, w_in, w_row, w_column,
    bias_model,
    y_model, y_image, y_channel, y_row, y_column,
    INPUTS: tl.constexpr, OUTPUTS: tl.constexpr, KERNEL: tl.constexpr, STRIDE: tl.constexpr, PADDING: tl.constexpr,
    TRANSPOSED: tl.constexpr, BIASED: tl.constexpr, PRECISION: tl.constexpr,
    PLACES: tl.constexpr, CHANNELS: tl.constexpr, TERMS: tl.constexpr,
):  # fmt: skip
    """A convolution: y[m, b, o, i, j] = bias[m, o] + Σ x[m, b, c, i·stride − padding + k, …] w[m, o, c, k, l].

    Where TRANSPOSED, y[m, b, o, i·stride − padding + k, …] is the bias and Σ x[m, b, c, i, j] w[m, o, c, k, l].
    Places of y whose row and column leave the same remainders then see the same part of the kernel, and a program has
    places of one pair of remainders.

    A program has PLACES of y and CHANNELS of their outputs. One channel is no product of matrices: it is summed as it
    stands.
    """
    model = tl.program_id(1).to(tl.int64)
    blocks: tl.constexpr = (OUTPUTS + CHANNELS - 1) // CHANNELS
    channel = (tl.program_id(2) % blocks) * CHANNELS + tl.arange(0, CHANNELS)
    wanted = channel < OUTPUTS
    place = tl.program_id(0) * PLACES + tl.arange(0, PLACES)
    apart: tl.constexpr = STRIDE if TRANSPOSED else 1
    taps: tl.constexpr = (KERNEL + apart - 1) // apart
    remainder = tl.program_id(2) // blocks
    remainder_row = remainder // apart
    remainder_column = remainder % apart
    # The first row with (row + padding) % apart == remainder_row, and every one that far apart.
    first_row = (remainder_row + apart * PADDING - PADDING) % apart
    first_column = (remainder_column + apart * PADDING - PADDING) % apart
    rows_here = (out_height - first_row + apart - 1) // apart
    columns_here = (out_width - first_column + apart - 1) // apart
    column = first_column + (place % columns_here) * apart
    row = first_row + ((place // columns_here) % rows_here) * apart
    image = place // (columns_here * rows_here)
    here = image < images
    if TRANSPOSED:
        from_row = (row + PADDING - remainder_row) // apart
        from_column = (column + PADDING - remainder_column) // apart
    else:
        from_row = row * STRIDE - PADDING
        from_column = column * STRIDE - PADDING
    x += model * x_model
    w += model * w_model
    if CHANNELS == 1:
        total = tl.zeros((PLACES, TERMS), dtype=tl.float32)
    else:
        total = tl.zeros((PLACES, CHANNELS), dtype=tl.float32)
    for first in range(0, taps * taps * INPUTS, TERMS):
        term = first + tl.arange(0, TERMS)
        source = term % INPUTS
        step_column = (term // INPUTS) % taps
        step_row = term // (INPUTS * taps)
        if TRANSPOSED:
            tap_row = remainder_row + step_row * apart
            tap_column = remainder_column + step_column * apart
            rows = from_row[:, None] - step_row[None, :]
            columns = from_column[:, None] - step_column[None, :]
        else:
            tap_row = step_row
            tap_column = step_column
            rows = from_row[:, None] + step_row[None, :]
            columns = from_column[:, None] + step_column[None, :]
        known = (term < taps * taps * INPUTS) & (tap_row < KERNEL) & (tap_column < KERNEL)
        within = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        maps = tl.load(
            x + image[:, None] * x_image + source[None, :] * x_channel + rows * x_row + columns * x_column,
            mask=within & here[:, None] & known[None, :],
            other=0.0,
        )
        weights = tl.load(
            w
            + channel[None, :] * w_out
            + source[:, None] * w_in
            + tap_row[:, None] * w_row
            + tap_column[:, None] * w_column,
            mask=known[:, None] & wanted[None, :],
            other=0.0,
        )
        if CHANNELS == 1:
            total += maps.to(tl.float32) * tl.trans(weights).to(tl.float32)
        else:
            total = tl.dot(maps, weights, total, input_precision=PRECISION)
    sums = tl.sum(total, 1)[:, None] if CHANNELS == 1 else total
    if BIASED:
        sums += tl.load(bias + model * bias_model + channel, mask=wanted, other=0.0).to(tl.float32)[None, :]
    to = model * y_model + image[:, None] * y_image + channel[None, :] * y_channel
    to += row[:, None] * y_row + column[:, None] * y_column
    tl.store(y + to, sums.to(y.dtype.element_ty), mask=here[:, None] & wanted[None, :])


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def weigh(  # type: ignore[no-untyped-def]
    wide, small, sums,
    images, height, width, small_height, small_width,
    wide_model, wide_image, wide_channel, wide_row, wide_column,
    small_model, small_image, small_channel, small_row, small_column,
    models,
    WIDE: tl.constexpr, SMALL: tl.constexpr, KERNEL: tl.constexpr, STRIDE: tl.constexpr, PADDING: tl.constexpr,
    BIASED: tl.constexpr, PRECISION: tl.constexpr,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr, PLACES: tl.constexpr, PART: tl.constexpr,
):  # fmt: skip
    """The gradient of weights, in parts of PART places (a multiple of PLACES), which are to be added up.

    sums[part, m, (k, l, c), o] = Σ wide[m, b, c, i·stride − padding + k, …] small[m, b, o, i, j] over places b, i, j of
    the part; where BIASED, a last row has the sums of small.
    """
    model = tl.program_id(1).to(tl.int64)
    blocks: tl.constexpr = (SMALL + CHANNELS - 1) // CHANNELS
    terms: tl.constexpr = KERNEL * KERNEL * WIDE
    part = tl.program_id(2) // blocks
    channel = (tl.program_id(2) % blocks) * CHANNELS + tl.arange(0, CHANNELS)
    wanted = channel < SMALL
    term = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    known = term < terms
    source = term % WIDE
    tap_column = (term // WIDE) % KERNEL
    tap_row = term // (WIDE * KERNEL)
    wide += model * wide_model
    small += model * small_model
    total = tl.zeros((ROWS, CHANNELS), dtype=tl.float32)
    of_bias = tl.zeros((CHANNELS,), dtype=tl.float32)
    for first in range(0, PART, PLACES):
        place = part * PART + first + tl.arange(0, PLACES)
        column = place % small_width
        row = (place // small_width) % small_height
        image = place // (small_width * small_height)
        here = image < images
        rows = row[None, :] * STRIDE - PADDING + tap_row[:, None]
        columns = column[None, :] * STRIDE - PADDING + tap_column[:, None]
        within = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        windows = tl.load(
            wide
            + image[None, :] * wide_image
            + source[:, None] * wide_channel
            + rows * wide_row
            + columns * wide_column,
            mask=within & here[None, :] & known[:, None],
            other=0.0,
        )
        values = tl.load(
            small
            + image[:, None] * small_image
            + channel[None, :] * small_channel
            + row[:, None] * small_row
            + column[:, None] * small_column,
            mask=here[:, None] & wanted[None, :],
            other=0.0,
        )
        total = tl.dot(windows, values, total, input_precision=PRECISION)
        if BIASED:
            if tl.program_id(0) == 0:
                of_bias += tl.sum(values.to(tl.float32), 0)
    lines: tl.constexpr = terms + 1 if BIASED else terms
    sums += (part * models + model) * lines * SMALL
    tl.store(sums + term[:, None] * SMALL + channel[None, :], total, mask=known[:, None] & wanted[None, :])
    if BIASED:
        if tl.program_id(0) == 0:
            tl.store(sums + terms * SMALL + channel, of_bias, mask=wanted)
