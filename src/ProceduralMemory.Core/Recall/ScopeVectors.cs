using System.Numerics.Tensors;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Recall;

/// <summary>The vectors of one scope, in memory: 4 bytes for each number, and about 100 for each procedure. They are brought up to date before each search.</summary>
#pragma warning disable CA1001 // Of the semaphore no handle is asked for, so it holds nothing that is to be given back, and whoever dropped the scope does not know who waits.
internal sealed class ScopeVectors
#pragma warning restore CA1001
{
    private const int FirstRows = 16;
    private const int RowsPerBlock = 1024;

    // The mean of a few vectors is those vectors: it is drawn towards 0 as if there were this many more without a direction.
    private const int MeanShrinkage = 20;

    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _refreshing = new(1);
    private readonly List<Guid> _ids = [];
    private readonly List<float[]> _blocks = [];
    private readonly Dictionary<Guid, int> _rows = [];
    private readonly Dictionary<Guid, VectorText> _pending = [];
    private readonly HashSet<Guid> _unlike = [];
    private double[] _sum = [];
    private int _dimensions;

    /// <summary>When it was last used, as a number that rises.</summary>
    public long LastUsed { get; set; }

    // The mean, and of each vector how long it is without it: a scan then reads each vector once, for one product. Made anew by the first scan after a change.
    private float[] _mean = [];
    private float[] _lengths = [];
    private bool _lengthsAreOld = true;

    /// <summary>The last change that is in.</summary>
    public long Change { get; private set; }

    /// <summary>How many procedures have a vector.</summary>
    public int Count
    {
        get
        {
            using var held = _gate.EnterScope();
            return _ids.Count;
        }
    }

    /// <summary>How many procedures have a vector of another length than the latest, which cannot be compared with it.</summary>
    public int Unlike
    {
        get
        {
            using var held = _gate.EnterScope();
            return _unlike.Count;
        }
    }

    /// <summary>How many numbers a vector has; 0 while there is none.</summary>
    public int Dimensions
    {
        get
        {
            using var held = _gate.EnterScope();
            return _dimensions;
        }
    }

    /// <summary>How many procedures have no vector yet.</summary>
    public int PendingCount
    {
        get
        {
            using var held = _gate.EnterScope();
            return _pending.Count;
        }
    }

    /// <summary>What has no vector yet and is wanted, at most so many.</summary>
    public IReadOnlyList<VectorText> Pending(int most, Func<VectorText, bool> isWanted)
    {
        using var held = _gate.EnterScope();
        return [.. _pending.Values.Where(isWanted).Take(most)];
    }

    /// <summary>Takes in what changed in the store since the last time.</summary>
    public async Task RefreshAsync(IProcedureSearch store, string scope, string model, CancellationToken cancellationToken)
    {
        // One at a time: of two that read from the same change on, the one that has read less may come later, and what lies between would be taken in by neither. Where
        // nothing has been read yet, the others wait for the first rather than read all of it as well.
        await _refreshing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            VectorChanges changes;
            do
            {
                changes = await store.ReadVectorsAsync(scope, model, Change, cancellationToken).ConfigureAwait(false);
                Apply(changes);
            }
            while (changes.HasMore);
        }
        finally
        {
            _refreshing.Release();
        }
    }

    private void Apply(VectorChanges changes)
    {
        using var held = _gate.EnterScope();
        foreach (var text in changes.WithoutVector)
        {
            Remove(text.ProcedureId);
            _unlike.Remove(text.ProcedureId);
            _pending[text.ProcedureId] = text;
        }

        foreach (var vector in changes.Vectors)
        {
            if (!vector.IsWhole)
            {
                // A store that checks nothing may give anything; one such number would be in the mean of all.
                Remove(vector.ProcedureId);
                continue;
            }

            Set(vector.ProcedureId, vector.Vector.Span);
            _pending.Remove(vector.ProcedureId);
        }

        Change = changes.Change;
    }

    /// <summary>
    /// The cosine of a request's vector with those of all procedures, after the mean of these is taken off: what all texts have in common says nothing
    /// (J. Mu and P. Viswanath, <i>All-but-the-Top</i>, 2018).
    /// </summary>
    /// <param name="request">The vector of the request, of length 1.</param>
    /// <param name="top">How many of the nearest to name.</param>
    /// <param name="isWanted">Which procedures to name; <see langword="null"/> for any.</param>
    /// <param name="cosineOf">Gives the cosine of any procedure that has a vector, afterwards.</param>
    /// <param name="cancellationToken">Cancels the scan.</param>
    /// <returns><see langword="null"/> where the vectors are of another length than the request's.</returns>
    public List<(Guid Id, float Cosine)>? Nearest(ReadOnlySpan<float> request, int top, Func<Guid, bool>? isWanted, out Func<Guid, float?> cosineOf, CancellationToken cancellationToken)
    {
        using var held = _gate.EnterScope();
        if (_dimensions != request.Length)
        {
            cosineOf = static _ => null;
            return null;
        }

        if (_lengthsAreOld)
        {
            MeasureLengths(cancellationToken);
        }

        var mean = _mean;
        var query = new float[_dimensions];
        TensorPrimitives.Subtract(request, mean, query);
        var queryMean = TensorPrimitives.Dot(query, mean);
        var queryLength = MathF.Sqrt(TensorPrimitives.SumOfSquares(query));
        var best = new PriorityQueue<int, float>(top + 1);
        var least = float.NegativeInfinity;
        for (var first = 0; first < _ids.Count; first += RowsPerBlock)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var block = _blocks[first / RowsPerBlock].AsSpan();
            var lengths = _lengths.AsSpan(first, Math.Min(RowsPerBlock, _ids.Count - first));
            for (var i = 0; i < lengths.Length; i++)
            {
                var cosine = Cosine(TensorPrimitives.Dot(block.Slice(i * query.Length, query.Length), query), lengths[i]);
                if ((best.Count == top && cosine <= least) || isWanted?.Invoke(_ids[first + i]) == false)
                {
                    continue;
                }

                if (best.Count < top)
                {
                    best.Enqueue(first + i, cosine);
                }
                else
                {
                    best.EnqueueDequeue(first + i, cosine);
                }

                best.TryPeek(out _, out least);
            }
        }

        cosineOf = id =>
        {
            // The vectors may have changed by now: those that are asked for are few, so their lengths are measured with the mean of then.
            using var heldLater = _gate.EnterScope();
            return _dimensions == query.Length && _rows.TryGetValue(id, out var row) ? Cosine(TensorPrimitives.Dot(Row(row), query), Length(Row(row), mean, TensorPrimitives.SumOfSquares(mean))) : null;
        };
        return [.. best.UnorderedItems.Select(i => (_ids[i.Element], i.Priority))];

        float Cosine(float product, float length)
        {
            var both = queryLength * length;
            return both < 1e-6f ? 0 : (product - queryMean) / both;
        }
    }

    private void MeasureLengths(CancellationToken cancellationToken)
    {
        var mean = new float[_dimensions];
        for (var i = 0; i < mean.Length; i++)
        {
            mean[i] = (float)(_sum[i] / (_ids.Count + MeanShrinkage));
        }

        var meanSquare = TensorPrimitives.SumOfSquares(mean);
        if (_lengths.Length < _ids.Count)
        {
            _lengths = new float[_blocks.Count * RowsPerBlock];
        }

        for (var row = 0; row < _ids.Count; row++)
        {
            if (row % RowsPerBlock == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }

            _lengths[row] = Length(Row(row), mean, meanSquare);
        }

        _mean = mean;
        _lengthsAreOld = false;
    }

    /// <summary>The length of a vector of length 1 without the mean.</summary>
    private static float Length(ReadOnlySpan<float> vector, ReadOnlySpan<float> mean, float meanSquare) =>
        MathF.Sqrt(Math.Max(0, 1 - (2 * TensorPrimitives.Dot(vector, mean)) + meanSquare));

    private ReadOnlySpan<float> Row(int row) => _blocks[row / RowsPerBlock].AsSpan(row % RowsPerBlock * _dimensions, _dimensions);

    private void Set(Guid id, ReadOnlySpan<float> vector)
    {
        if (_dimensions != vector.Length)
        {
            // The model under this name gives other vectors than before. They come in the order in which they were made, so this is what it gives now.
            _unlike.UnionWith(_ids);
            _ids.Clear();
            _rows.Clear();
            _blocks.Clear();
            _dimensions = vector.Length;
            _sum = new double[_dimensions];
        }

        _unlike.Remove(id);
        Remove(id);
        var row = _ids.Count;
        if (row / RowsPerBlock == _blocks.Count)
        {
            _blocks.Add(new float[(row == 0 ? FirstRows : RowsPerBlock) * _dimensions]);
        }
        else if (row < RowsPerBlock && row * _dimensions == _blocks[0].Length)
        {
            // A scope of its own for each user has few: the first block grows with them.
            var grown = _blocks[0];
            Array.Resize(ref grown, grown.Length * 2);
            _blocks[0] = grown;
        }

        _ids.Add(id);
        _rows[id] = row;
        vector.CopyTo(Writable(row));
        Sum(vector, 1);
    }

    private void Remove(Guid id)
    {
        if (_rows.Remove(id, out var row))
        {
            Sum(Row(row), -1);
            var last = _ids.Count - 1;
            if (row != last)
            {
                Row(last).CopyTo(Writable(row));
                _ids[row] = _ids[last];
                _rows[_ids[row]] = row;
            }

            _ids.RemoveAt(last);
        }
    }

    private Span<float> Writable(int row) => _blocks[row / RowsPerBlock].AsSpan(row % RowsPerBlock * _dimensions, _dimensions);

    private void Sum(ReadOnlySpan<float> vector, int sign)
    {
        _lengthsAreOld = true;
        for (var i = 0; i < vector.Length; i++)
        {
            _sum[i] += sign * vector[i];
        }
    }
}
