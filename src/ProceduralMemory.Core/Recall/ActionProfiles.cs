using ProceduralMemory.Persist;

namespace ProceduralMemory.Recall;

/// <summary>
/// What the actions of the candidates tell: that the request says their names, and that the best candidates agree on which are needed. Two tasks that share
/// most words differ in what has to be done, and that stands in the actions.
/// </summary>
internal sealed class ActionProfiles
{
    private readonly IReadOnlyList<SearchCandidate> _candidates;
    private readonly Dictionary<string, double> _said;
    private readonly Dictionary<string, double> _rarity;

    /// <summary>Prepares the actions of some candidates.</summary>
    /// <param name="candidates">The candidates.</param>
    /// <param name="requestWords">The words of the request that are no values.</param>
    public ActionProfiles(IReadOnlyList<SearchCandidate> candidates, IReadOnlySet<string> requestWords)
    {
        _candidates = candidates;
        var words = new Dictionary<string, string[]>(StringComparer.Ordinal);
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var document in candidates.Select(c => c.Document))
        {
            var lines = document.ActionWords.Split('\n');
            for (var i = 0; i < document.Actions.Count; i++)
            {
                words.TryAdd(document.Actions[i], i < lines.Length ? [.. lines[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Distinct(StringComparer.Ordinal)] : []);
                counts[document.Actions[i]] = counts.GetValueOrDefault(document.Actions[i]) + 1;
            }
        }

        // A word that many actions have in their names (get, search, order) tells little of which one is meant.
        var having = words.Values.SelectMany(w => w).CountBy(w => w, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);
        double Telling(string word) => Math.Log((words.Count + 1) / (having[word] + 0.5));
        _said = words.ToDictionary(
            a => a.Key,
            a => a.Value.Sum(Telling) is var all and > 0 ? a.Value.Where(requestWords.Contains).Sum(Telling) / all : 0,
            StringComparer.Ordinal);
        _rarity = counts.ToDictionary(a => a.Key, a => Math.Max(0, Math.Log((candidates.Count + 1) / (a.Value + 0.5))), StringComparer.Ordinal);
    }

    /// <summary>How much of the names of a candidate's actions the request says, from 0 to 1.</summary>
    public double Said(int candidate)
    {
        var actions = _candidates[candidate].Document.Actions;
        return actions.Count == 0 ? 0 : actions.Average(a => _said[a]);
    }

    /// <summary>Lets the best candidates vote on the actions, and adds to each what its own actions got.</summary>
    /// <param name="ranked">The candidates.</param>
    /// <param name="share">What all votes together add at most, as a share of the best fit.</param>
    /// <param name="voters">How many vote.</param>
    public void Vote(IReadOnlyList<RankedCandidate> ranked, double share, int voters)
    {
        var best = ranked.OrderByDescending(r => r.Fit).ThenBy(r => r.Candidate.Name, StringComparer.Ordinal).Take(voters).ToList();
        var votes = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var voter in best.Where(v => v.Fit > 0))
        {
            var actions = voter.Candidate.Document.Actions;
            foreach (var action in actions)
            {
                votes[action] = votes.GetValueOrDefault(action) + (voter.Fit * Math.Sqrt(_rarity[action] / actions.Count));
            }
        }

        var length = Math.Sqrt(votes.Values.Sum(v => v * v));
        if (length == 0)
        {
            return;
        }

        var most = best[0].Fit;
        foreach (var candidate in ranked)
        {
            var actions = candidate.Candidate.Document.Actions;
            var own = Math.Sqrt(actions.Sum(a => _rarity[a] * _rarity[a]));
            if (own > 0)
            {
                candidate.Fit += share * most * actions.Sum(a => votes.GetValueOrDefault(a) * _rarity[a]) / length / own;
            }
        }
    }
}
