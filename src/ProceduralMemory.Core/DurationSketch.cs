using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory;

/// <summary>
/// How durations are spread, in a few numbers: each is counted in a bucket 4 % wide, so that a quantile is told within 2 %. Sketches add up, and the order in which durations came does not
/// matter (C. Masson, J. E. Rim, H. K. Lee, <i>DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees</i>, VLDB 2019).
/// </summary>
public sealed class DurationSketch : IEquatable<DurationSketch>
{
    private const double Accuracy = 0.02;
    private const double Gamma = (1 + Accuracy) / (1 - Accuracy);

    private static readonly double LogGamma = Math.Log(Gamma);

    private readonly ImmutableSortedDictionary<int, long> _counts;

    private DurationSketch(ImmutableSortedDictionary<int, long> counts) => _counts = counts;

    /// <summary>A sketch of nothing.</summary>
    public static DurationSketch Empty { get; } = new(ImmutableSortedDictionary<int, long>.Empty);

    /// <summary>How many durations are in it.</summary>
    public long Count => _counts.Values.Sum();

    /// <summary>The duration that this share of all does not exceed, within 2 %; <see langword="null"/> where there is none.</summary>
    /// <param name="share">From 0 to 1: 0.5 for the median.</param>
    /// <exception cref="ArgumentOutOfRangeException">The share is none.</exception>
    public TimeSpan? Quantile(double share)
    {
        if (share is not (>= 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(share), share, "A share goes from 0 to 1.");
        }

        var rank = (long)Math.Ceiling(share * Count) - 1;
        foreach (var (bucket, count) in _counts)
        {
            rank -= count;
            if (rank < 0)
            {
                return bucket == 0 ? TimeSpan.Zero : TimeSpan.FromMicroseconds(2 * Math.Pow(Gamma, bucket - 1) / (Gamma + 1));
            }
        }

        return null;
    }

    /// <summary>This sketch with one more duration in it.</summary>
    /// <param name="duration">The duration; less than a microsecond counts as none.</param>
    public DurationSketch With(TimeSpan duration)
    {
        var bucket = BucketOf(duration);
        return new DurationSketch(_counts.SetItem(bucket, _counts.GetValueOrDefault(bucket) + 1));
    }

    /// <summary>Both sketches together.</summary>
    /// <param name="other">The other one.</param>
    public DurationSketch Combine(DurationSketch other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return other._counts.IsEmpty ? this : _counts.IsEmpty ? other : new DurationSketch(_counts.SetItems(other._counts.Select(c => KeyValuePair.Create(c.Key, c.Value + _counts.GetValueOrDefault(c.Key)))));
    }

    /// <inheritdoc/>
    public bool Equals(DurationSketch? other) => other is not null && _counts.SequenceEqual(other._counts);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as DurationSketch);

    /// <inheritdoc/>
    public override int GetHashCode() => _counts.Aggregate(0, (hash, c) => HashCode.Combine(hash, c.Key, c.Value));

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Count} durations, median {Quantile(0.5)?.TotalMilliseconds ?? 0:0.###} ms");

    /// <summary>The bucket of a duration: 0 for none, else the least power of the bucket's width that is not below its microseconds.</summary>
    internal static int BucketOf(TimeSpan duration)
    {
        var microseconds = duration.Ticks / TimeSpan.TicksPerMicrosecond;
        return microseconds <= 0 ? 0 : (int)Math.Ceiling(Math.Log(microseconds) / LogGamma) + 1;
    }

    internal static DurationSketch Read(string json) => json == "{}"
        ? Empty
        : new(JsonSerializer.Deserialize<Dictionary<int, long>>(json, Json.Stored)!.ToImmutableSortedDictionary());

    internal string Write() => JsonSerializer.Serialize(_counts.ToDictionary(), Json.Stored);
}
