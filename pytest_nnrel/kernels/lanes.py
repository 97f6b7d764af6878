"""Kernels that do one thing to `LANES` of its kind at once, in float32 vector registers.

Numba and LLVM vectorise along an array, but the recursions here have no axis to run along: each
cell of DTW waits for its left neighbour, and each pair of the bootstrap adds to another bin. So the
lanes of a register are candidates of a distance, or replicates of a bootstrap.

Everything compiled lies in this one module: numba's cache on disk looks at the file of a function
only, and would go on using code built with other constants. The shape depends on the processor's
features alone, which are a part of the cache's key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic, models, register_model

from pytest_nnrel.kernels.compilation import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Float32 = npt.NDArray[np.float32]
    Int64 = npt.NDArray[np.int64]
    UInt16 = npt.NDArray[np.uint16]


def _register_shape(features: str) -> tuple[int, int, int]:
    """Return lanes, rows and columns whose accumulators fit the vector registers.

    Rows times columns accumulators, and a row and a column of frames, must stay in registers: 32
    of 512 bits with AVX-512, 16 of 256 with AVX2, 16 of 128 with SSE, 32 of 128 with Neon.
    """
    known = set(features.split(","))
    if "+avx512f" in known and "+prefer-256-bit" not in known:
        return 16, 4, 4
    if "+avx2" in known:
        return 8, 4, 2
    return 4, 4, 4 if "+neon" in known else 2


LANES, ROWS, COLUMNS = _register_shape(cpu_target.target_context.codegen().magic_tuple()[2])
#: Window starts that are joined at a time: bounds the squared differences kept of long queries.
STRIP = 128
#: Columns over which products are summed in float32 before they go to float64.
_STRETCH = 256
#: Where nothing was found yet: above any cost, and no overflow when costs are added.
_FAR = np.float32(1e38)
#: Below any squared difference but zero.
_LEAST = 2.0**-100

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_INDEX = ir.IntType(64)


# ---------------------------------------------------------------------------------------------
# Vectors as values in compiled code


class _LanesType(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


_LANES_TYPE = _LanesType()


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _element(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Return the address of an element of a contiguous float32 array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(builder.bitcast(data, _FLOAT.as_pointer()), [index])


def _load_at(builder: Any, address: Any) -> Any:
    return builder.load(builder.bitcast(address, _VECTOR.as_pointer()), align=4)


def _store_at(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, builder.bitcast(address, _VECTOR.as_pointer()), align=4)


def _smaller(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", x, y), x, y)


def _larger(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", x, y), y, x)


def _root(builder: Any, x: Any) -> Any:
    """Return the square root: with AVX-512 by an estimate and one step of Newton's, to one unit."""
    if LANES != 16:
        function = ir.FunctionType(_VECTOR, [_VECTOR])
        name = f"llvm.sqrt.v{LANES}f32"
        return builder.call(cgutils.get_or_insert_function(builder.module, function, name), [x])
    mask = ir.IntType(16)
    estimate = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(_VECTOR, [_VECTOR, _VECTOR, mask]),
        "llvm.x86.avx512.rsqrt14.ps.512",
    )
    muladd = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32"
    )
    positive = _larger(builder, x, _constant(_LEAST))  # the estimate of zero's is infinite
    inverse = builder.call(estimate, [positive, _constant(0.0), ir.Constant(mask, -1)])
    root = builder.fmul(x, inverse)
    half = builder.fmul(inverse, _constant(0.5))
    error = builder.call(muladd, [builder.fneg(root), root, x])
    return builder.call(muladd, [error, half, root])


def _splat(builder: Any, value: Any) -> Any:
    none = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(none, value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, none, mask)


def _constant(value: float) -> Any:
    return ir.Constant(_VECTOR, [value] * LANES)


@intrinsic  # type: ignore[untyped-decorator]
def _load(typing_context: Any, array: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load_at(builder, _element(context, builder, signature.args[0], *args))

    return _LANES_TYPE(array, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store_at(builder, args[2], _element(context, builder, signature.args[0], *args[:2]))
        return context.get_dummy_value()

    return types.void(array, types.int64, _LANES_TYPE), generate


def _binary(operation: Callable[[Any, Any, Any], Any]) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def of_two(typing_context: Any, x: Any, y: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return operation(builder, *args)

        return _LANES_TYPE(_LANES_TYPE, _LANES_TYPE), generate

    return of_two


_add = _binary(lambda builder, x, y: builder.fadd(x, y))
_multiply = _binary(lambda builder, x, y: builder.fmul(x, y))
_min = _binary(_smaller)
_max = _binary(_larger)


# ---------------------------------------------------------------------------------------------
# Distances: a query and `LANES` candidates. A block of `ROWS` query frames meets `COLUMNS` of the
# candidates' at a time; their squared differences stay in registers for all dimensions, are kept
# for SiMPle, and go through the recursion of DTW, so that both distances cost one pass.


def _sweeper(rows: int) -> Any:
    """Return compiled code that lets some query frames meet all frames of a group.

    It is called as ``sweep(query, at, dimensions, group, frames, costs, corner, tile, tile_at)``:
    ``query[at:]`` holds `rows` frames, `group` the candidates as (frame, dimension, lane), a
    multiple of `COLUMNS` frames. `costs` is the last row of DTW's matrix so far, (frame, lane), and
    becomes that of the last row here; `corner` is what lies above and left of the first cell. The
    squared differences go to ``tile[tile_at:]``, (row, frame, lane).
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def sweep(
        typing_context: Any,
        query: Any,
        at: Any,
        dimensions: Any,
        group: Any,
        frames: Any,
        costs: Any,
        corner: Any,
        tile: Any,
        tile_at: Any,
    ) -> Any:
        signature = types.void(
            query, types.int64, types.int64, group, types.int64, costs, types.float32, tile,
            types.int64,
        )  # fmt: skip

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            b, kinds = builder, signature.args
            zero = ir.Constant(_INDEX, 0)
            a_at = _element(context, b, kinds[0], args[0], args[1])
            b_at = _element(context, b, kinds[3], args[3], zero)
            cost_at = _element(context, b, kinds[5], args[5], zero)
            t_at = _element(context, b, kinds[7], args[7], args[8])
            dimensions, frames = args[2], args[4]
            lanes = ir.Constant(_INDEX, LANES)
            frame_size = b.mul(dimensions, lanes)
            tile_row = b.mul(frames, lanes)
            function = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
            # Fused where the processor can, two instructions elsewhere; never a library call.
            muladd = cgutils.get_or_insert_function(b.module, function, f"llvm.fmuladd.v{LANES}f32")

            def offset(address: Any, step: Any, count: int) -> Any:
                return b.gep(address, [b.mul(step, ir.Constant(_INDEX, count))])

            left = [cgutils.alloca_once(b, _VECTOR) for _ in range(rows)]
            diagonal = cgutils.alloca_once(b, _VECTOR)
            sums = [[cgutils.alloca_once(b, _VECTOR) for _ in range(COLUMNS)] for _ in range(rows)]
            for place in left:
                b.store(_constant(float(_FAR)), place)
            b.store(_splat(b, args[6]), diagonal)
            with cgutils.for_range(b, b.sdiv(frames, ir.Constant(_INDEX, COLUMNS))) as columns:
                j = b.mul(columns.index, ir.Constant(_INDEX, COLUMNS))
                group_at = b.gep(b_at, [b.mul(j, frame_size)])
                for row in sums:
                    for place in row:
                        b.store(_constant(0.0), place)
                with cgutils.for_range(b, dimensions) as dimension:
                    k = dimension.index
                    k_at = b.gep(group_at, [b.mul(k, lanes)])
                    ys = [_load_at(b, offset(k_at, frame_size, c)) for c in range(COLUMNS)]
                    xs = [
                        _splat(b, b.load(b.gep(offset(a_at, dimensions, r), [k])))
                        for r in range(rows)
                    ]
                    for r in range(rows):
                        for c in range(COLUMNS):
                            difference = b.fsub(xs[r], ys[c])
                            total = b.call(muladd, [difference, difference, b.load(sums[r][c])])
                            b.store(total, sums[r][c])
                squared = [[b.load(place) for place in row] for row in sums]
                for r in range(rows):
                    row_at = b.gep(offset(t_at, tile_row, r), [b.mul(j, lanes)])
                    for c in range(COLUMNS):
                        _store_at(b, squared[r][c], offset(row_at, lanes, c))
                # DTW, column by column: `before` holds the column to the left, `above` each cell's
                # upper neighbour.
                costs_at = b.gep(cost_at, [b.mul(j, lanes)])
                top = [_load_at(b, offset(costs_at, lanes, c)) for c in range(COLUMNS)]
                before = [b.load(place) for place in left]
                corners = [b.load(diagonal), *before[:-1]]
                for c in range(COLUMNS):
                    above, column = top[c], []
                    for r in range(rows):
                        least = _smaller(b, _smaller(b, corners[r], above), before[r])
                        above = b.fadd(least, _root(b, squared[r][c]))
                        column.append(above)
                    corners, before = [top[c], *column[:-1]], column
                    _store_at(b, above, offset(costs_at, lanes, c))
                b.store(top[-1], diagonal)
                for place, value in zip(left, before):
                    b.store(value, place)
            return context.get_dummy_value()

        return signature, generate

    return sweep


_sweep_block = _sweeper(ROWS)
_sweep_row = _sweeper(1)


@compiled
def _sweep(
    query: Float32,
    first: int,
    last: int,
    dimensions: int,
    group: Float32,
    frames: int,
    costs: Float32,
    tile: Float32,
    held: int,
) -> None:
    """Let query frames `first` to `last` meet a group; `held` rows lie in the tile already."""
    i = first
    while i < last:
        corner = np.float32(0.0) if i == 0 else _FAR
        at = (held + i - first) * frames * LANES
        if i + ROWS <= last:
            _sweep_block(query, i * dimensions, dimensions, group, frames, costs, corner, tile, at)
            i += ROWS
        else:
            _sweep_row(query, i * dimensions, dimensions, group, frames, costs, corner, tile, at)
            i += 1


@compiled
def _join(
    tile: Float32, starts: int, frames: int, window: int, suffix: Float32, profile: Float32, at: int
) -> None:
    """Fill ``profile[at:]``, (window start, lane), with the distance to the nearest window of B.

    Windows along a diagonal of the tile are sums of `window` neighbours. Each is the tail of one
    block and the head of the next, so that only numbers that are not negative are ever added:
    nothing cancels, and zero stays zero.
    """
    row = frames * LANES
    step = row + LANES
    for i in range(starts * LANES):
        profile[at + i] = _FAR
    for shift in range(1 - starts, frames - window + 1):
        first, second = max(0, -shift), max(0, shift)
        count = min(starts - first, frames - window + 1 - second)
        base = first * row + second * LANES
        for block in range(0, count, window):
            cell = base + (block + window - 1) * step
            total = _load(tile, cell)
            _store(suffix, (window - 1) * LANES, total)
            for k in range(window - 2, -1, -1):
                cell -= step
                total = _add(total, _load(tile, cell))
                _store(suffix, k * LANES, total)
            place = at + (first + block) * LANES
            _store(profile, place, _min(_load(profile, place), total))
            heads = min(window, count - block)
            if heads > 1:
                cell = base + (block + window) * step
                head = _load(tile, cell)
                for k in range(1, heads):
                    place += LANES
                    total = _add(head, _load(suffix, k * LANES))
                    _store(profile, place, _min(_load(profile, place), total))
                    if k + 1 < heads:
                        cell += step
                        head = _add(head, _load(tile, cell))


@compiled
def _medians(values: Float32, n: int, out: Float32) -> None:
    """Sort every lane of (n, lane) by Batcher's odd-even merge (Knuth, 5.2.2 M); take medians."""
    top = 1
    while 2 * top < n:
        top *= 2
    p = top
    while p > 0:
        q, r, distance = top, 0, p
        while True:
            for i in range(n - distance):
                if (i & p) == r:
                    x, y = i * LANES, (i + distance) * LANES
                    low, high = _load(values, x), _load(values, y)
                    _store(values, x, _min(low, high))
                    _store(values, y, _max(low, high))
            if q == p:
                break
            distance = q - p
            q //= 2
            r = p
        p //= 2
    middle = n // 2
    for lane in range(LANES):
        out[lane] = values[middle * LANES + lane]
        if n % 2 == 0:
            out[lane] = np.float32(0.5) * (values[(middle - 1) * LANES + lane] + out[lane])


@compiled
def align(
    queries: Float32,
    query_first: Int64,
    dimensions: int,
    groups: Float32,
    group_first: Int64,
    lengths: Int64,
    members: Int64,
    window: int,
    warped: Float32,
    joined: Float32,
) -> None:
    """Fill ``warped[q, c]`` with DTW costs and ``joined[q, c]`` with SiMPle distances.

    Parameters
    ----------
    queries : float32[frames of all, dimensions], flat
    query_first : int64[q + 1]
        Frame at which each query begins.
    dimensions : int
    groups : float32, flat
        Groups of `LANES` candidates, each as (frame, dimension, lane), see `pack`.
    group_first : int64[g + 1]
        Element at which each group begins.
    lengths : int64[g, LANES]
        Frames of each candidate.
    members : int64[g, LANES]
        Column of each candidate; -1 for a lane that is empty.
    window : int
        Of SiMPle, in frames; 0 leaves `joined` alone.
    warped, joined : float32[q, c]
    """
    most = 0
    for g in range(len(members)):
        most = max(most, (group_first[g + 1] - group_first[g]) // (dimensions * LANES))
    longest = np.max(query_first[1:] - query_first[:-1])
    overlap = max(window - 1, 0)
    costs = np.empty(most * LANES, np.float32)
    tile = np.empty((min(STRIP, longest) + overlap) * most * LANES, np.float32)
    suffix = np.empty(max(window, 1) * LANES, np.float32)
    profile = np.empty(longest * LANES, np.float32)
    medians = np.empty(LANES, np.float32)
    for g in range(len(members)):
        group = groups[group_first[g] : group_first[g + 1]]
        frames = len(group) // (dimensions * LANES)
        for q in range(len(query_first) - 1):
            query = queries[query_first[q] * dimensions : query_first[q + 1] * dimensions]
            n = query_first[q + 1] - query_first[q]
            costs[: frames * LANES] = _FAR
            held = 0
            swept = 0
            started = 0
            while swept < n:
                # The first strip brings the overlap too, later ones find it from the one before.
                last = min(n, swept + STRIP + (overlap if swept == 0 else 0))
                _sweep(query, swept, last, dimensions, group, frames, costs, tile, held)
                held += last - swept
                swept = last
                if window > 0:
                    starts = held - overlap
                    _join(tile, starts, frames, window, suffix, profile, started * LANES)
                    started += starts
                    if swept < n:
                        kept = overlap * frames * LANES
                        moved = starts * frames * LANES
                        for i in range(kept):
                            tile[i] = tile[moved + i]
                        held = overlap
                else:
                    held = 0
            if window > 0:
                _medians(profile, started, medians)
            for lane in range(LANES):
                column = members[g, lane]
                if column >= 0:
                    warped[q, column] = costs[(lengths[g, lane] - 1) * LANES + lane]
                    if window > 0:
                        joined[q, column] = medians[lane]


# ---------------------------------------------------------------------------------------------
# Bootstrap of ranks: a pair and `LANES` replicates


@compiled
def count(
    bins: UInt16,
    first: int,
    row_weights: Float32,
    column_weights: Float32,
    skip_diagonal: bool,
    counts: Float32,
) -> None:
    """Add to ``counts``, (bin, lane), the weights of the pairs of a block of rows.

    Parameters
    ----------
    bins : uint16[k, n]
    first : int
        Row at which the block begins.
    row_weights : float32[k, LANES], flat
    column_weights : float32[n, LANES], flat
    skip_diagonal : bool
    counts : float32[bins, LANES], flat
        Exact up to 2 ** 24.
    """
    for i in range(bins.shape[0]):
        of_row = _load(row_weights, i * LANES)
        for j in range(bins.shape[1]):
            if skip_diagonal and first + i == j:
                continue
            at = np.int64(bins[i, j]) * LANES
            weight = _multiply(of_row, _load(column_weights, j * LANES))
            _store(counts, at, _add(_load(counts, at), weight))


@compiled
def sum_products(
    x_bins: UInt16,
    y_bins: UInt16,
    first: int,
    row_weights: Float32,
    column_weights: Float32,
    skip_diagonal: bool,
    x_values: Float32,
    y_values: Float32,
    products: npt.NDArray[np.float64],
) -> None:
    """Add to ``products[lane]`` the weighted products of two values that pairs have by their bins.

    Parameters
    ----------
    x_bins, y_bins : uint16[k, n]
    first, row_weights, column_weights, skip_diagonal
        As in `count`.
    x_values, y_values : float32[bins, LANES], flat
    products : float64[LANES]
    """
    partial = np.empty(LANES, np.float32)
    for i in range(x_bins.shape[0]):
        for start in range(0, x_bins.shape[1], _STRETCH):
            partial[:] = np.float32(0.0)
            total = _load(partial, 0)
            for j in range(start, min(start + _STRETCH, x_bins.shape[1])):
                if skip_diagonal and first + i == j:
                    continue
                x = _load(x_values, np.int64(x_bins[i, j]) * LANES)
                y = _load(y_values, np.int64(y_bins[i, j]) * LANES)
                weighted = _multiply(x, _load(column_weights, j * LANES))
                total = _add(total, _multiply(weighted, y))
            _store(partial, 0, total)
            for lane in range(LANES):
                weight = np.float64(row_weights[i * LANES + lane])
                products[lane] += weight * np.float64(partial[lane])
