using System.Numerics.Tensors;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Recall;

/// <summary>The vectors of one scope, in memory: 4 bytes for each number, and about 100 for each procedure. They are brought up to date before each search.</summary>
internal sealed class ScopeVectors
{
    private const int FirstRows = 16;
    private const int RowsPerBlock = 1024;

    // The mean of a few vectors is those vectors: it is drawn towards 0 as if there were this many more without a direction.
    private const int MeanShrinkage = 20;

    private readonly Lock _gate = new();
    private readonly List<Guid> _ids = [];
    private readonly List<float[]> _blocks = [];
    private readonly Dictionary<Guid, int> _rows = [];
    private readonly Dictionary<Guid, VectorText> _pending = [];
    private readonly HashSet<Guid> _unlike = [];
    private double[] _sum = [];
    private int _dimensions;

    /// <summary>When it was last used, as a number that rises.</summary>
    public long LastUsed { get; set; }

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
    public int Dimensions => _dimensions;

    /// <summary>What has no vector yet.</summary>
    public IReadOnlyCollection<VectorText> Pending
    {
        get
        {
            using var held = _gate.EnterScope();
            return [.. _pending.Values];
        }
    }

    /// <summary>Takes in what changed.</summary>
    public void Apply(VectorChanges changes)
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
    /// <param name="cosineOf">Gives the cosine of any procedure that has a vector, afterwards.</param>
    /// <param name="cancellationToken">Cancels the scan.</param>
    public List<Guid> Nearest(ReadOnlySpan<float> request, int top, out Func<Guid, float?> cosineOf, CancellationToken cancellationToken)
    {
        using var held = _gate.EnterScope();
        var mean = _sum.Select(s => (float)(s / (_ids.Count + MeanShrinkage))).ToArray();
        var meanSquare = TensorPrimitives.SumOfSquares(mean);
        var query = new float[_dimensions];
        TensorPrimitives.Subtract(request, mean, query);
        var queryMean = TensorPrimitives.Dot(query, mean);
        var queryLength = MathF.Sqrt(TensorPrimitives.SumOfSquares(query));
        float Cosine(int row)
        {
            var vector = Row(row);
            var length = queryLength * MathF.Sqrt(Math.Max(0, 1 - (2 * TensorPrimitives.Dot(vector, mean)) + meanSquare));
            return length < 1e-6f ? 0 : (TensorPrimitives.Dot(vector, query) - queryMean) / length;
        }

        var best = new PriorityQueue<int, float>(top + 1);
        for (var row = 0; row < _ids.Count; row++)
        {
            if (row % RowsPerBlock == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }

            var cosine = Cosine(row);
            if (best.Count < top)
            {
                best.Enqueue(row, cosine);
            }
            else if (best.TryPeek(out _, out var least) && cosine > least)
            {
                best.EnqueueDequeue(row, cosine);
            }
        }

        cosineOf = id =>
        {
            using var heldLater = _gate.EnterScope();
            return _dimensions == query.Length && _rows.TryGetValue(id, out var row) ? Cosine(row) : null;
        };
        return [.. best.UnorderedItems.Select(i => _ids[i.Element])];
    }

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
        for (var i = 0; i < vector.Length; i++)
        {
            _sum[i] += sign * vector[i];
        }
    }
}
