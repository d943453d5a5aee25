namespace ProceduralMemory.Recall;

/// <summary>
/// Tells a task from one that sounds like it: "delete the user" from "delete the backup", "disable" from "enable". Words of an earlier request that also stand in the
/// name, the description or the actions of the procedure say what kind of task it is; its other words were values of that one task. Where a request lacks words of
/// the first sort and has words instead that are nowhere in the procedure, and that do not stand where the values stood, these were replaced: it asks for something else.
/// It knows words, so it says nothing of scripts whose words are pairs of letters to the analysis.
/// </summary>
internal sealed class ReplacedWords
{
    // Words that name one and the same act on a thing; what is asked for with another of them was not replaced.
    private static readonly string[] SameActs =
    [
        "add create insert make register new", "delete remove erase drop", "update change edit modify alter adjust set", "get fetch retrieve read load",
        "show list display view print tell what which see", "find search look locate lookup query", "send email mail deliver", "start begin launch boot run",
        "stop halt end terminate", "cancel abort revoke", "enable activate", "disable deactivate", "increase raise extend prolong", "decrease reduce lower shorten",
        "approve accept grant allow", "reject decline deny refuse", "book reserve", "buy purchase order", "move shift reschedule postpone", "copy duplicate clone",
        "merge combine join unite", "upload put", "archive store save", "rename retitle", "check verify validate inspect", "compute calculate", "exchange swap replace",
        "close finish complete", "restore recover", "clear empty flush", "block freeze", "schedule plan arrange", "give provide",
    ];

    private static readonly Lazy<IReadOnlyDictionary<string, int>> ActOf = new(() => SameActs
        .Index()
        .SelectMany(g => TextAnalyzer.Analyze(g.Item, isName: true).Select(w => (w.Stem, g.Index)))
        .DistinctBy(w => w.Stem, StringComparer.Ordinal)
        .ToDictionary(w => w.Stem, w => w.Index, StringComparer.Ordinal));

    // Longer texts are compared as a whole only.
    private const int MaxAligned = 64;

    private readonly List<string> _request;
    private readonly HashSet<string> _said;
    private readonly IReadOnlySet<string> _common;

    /// <summary>Prepares a request.</summary>
    /// <param name="request">Its words in their order.</param>
    /// <param name="common">Words that stand in any text.</param>
    public ReplacedWords(IReadOnlyList<AnalyzedWord> request, IReadOnlySet<string> common)
    {
        _request = [.. request.Select(w => w.Stem).Where(w => !common.Contains(w) && !TextAnalyzer.IsUnspaced(w[0])).Distinct(StringComparer.Ordinal)];
        _said = _request.ToHashSet(StringComparer.Ordinal);
        _common = common;
    }

    /// <summary>How many words that say what kind of task a procedure is were replaced, by the wording of it that the request is nearest to.</summary>
    public int In(SearchDocument procedure)
    {
        var kind = WordsOf(procedure.Name).Concat(WordsOf(procedure.ActionWords)).ToHashSet(StringComparer.Ordinal);
        var wordings = procedure.Requests.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (wordings.Length == 0)
        {
            wordings = [procedure.Description];
        }
        else
        {
            kind.UnionWith(WordsOf(procedure.Description));
        }

        // What a step does is not what the task is for: to cancel a flight it is found first, and who asks to find one does not ask to have it cancelled.
        var known = WordsOf(procedure.Name)
            .Concat(WordsOf(procedure.Description))
            .Concat(WordsOf(procedure.Tags))
            .Concat(wordings.SelectMany(WordsOf))
            .Concat(WordsOf(procedure.ActionWords).Where(w => !ActOf.Value.ContainsKey(w)))
            .ToHashSet(StringComparer.Ordinal);
        var unknown = _request.Where(w => !known.Contains(w)).ToList();

        // Where nothing is shared nothing stands in the place of anything: that is another way of saying it, or another thing, and vectors may tell which.
        if (unknown.Count == 0 || unknown.Count == _request.Count)
        {
            return 0;
        }

        // A wording further away has less in common that anything could stand in the place of: what was replaced is told by the nearest.
        var words = wordings.Select(w => WordsOf(w).Distinct(StringComparer.Ordinal).ToList()).ToList();
        var most = words.Max(w => w.Count(_said.Contains));
        return words.Where(w => w.Count(_said.Contains) == most).Min(w => In(w, kind, [.. unknown]));
    }

    private int In(List<string> wording, HashSet<string> kind, List<string> unknown)
    {
        var lacking = wording.Where(w => kind.Contains(w) && !_said.Contains(w)).ToList();
        foreach (var word in lacking.ToList())
        {
            if (ActOf.Value.TryGetValue(word, out var act) && unknown.Find(u => ActOf.Value.TryGetValue(u, out var other) && other == act) is { } same)
            {
                lacking.Remove(word);
                unknown.Remove(same);
            }
        }

        if (lacking.Count == 0 || unknown.Count == 0)
        {
            return 0;
        }

        var most = Math.Max(Replaced(wording, _request), BeginsOtherwise(wording, _request) ? 1 : 0);
        if (wording.Count > MaxAligned || _request.Count > MaxAligned)
        {
            return most;
        }

        var inGaps = 0;
        foreach (var (ofWording, ofRequest) in Gaps(wording, _request))
        {
            var replaced = Replaced(ofWording, ofRequest);
            inGaps += replaced == 0 && BeginsOtherwise(ofWording, ofRequest) ? 1 : replaced;
        }

        return Math.Max(most, inGaps);

        // What is to be done comes before what it is done to, and a thing before what it is of: "delete", "the backup", "of the billing database".
        bool BeginsOtherwise(List<string> here, List<string> there) => here.Count > 0 && there.Count > 0 && lacking.Contains(here[0]) && unknown.Contains(there[0]);

        int Replaced(List<string> here, List<string> there) =>
            Math.Min(here.Count(lacking.Contains), Math.Max(0, there.Count(unknown.Contains) - here.Count(w => !kind.Contains(w) && !_said.Contains(w))));
    }

    /// <summary>What stands between the words that two texts have in common, in the same order, as many as there are.</summary>
    private static IEnumerable<(List<string> First, List<string> Second)> Gaps(List<string> first, List<string> second)
    {
        var common = new int[first.Count + 1, second.Count + 1];
        for (var i = first.Count - 1; i >= 0; i--)
        {
            for (var j = second.Count - 1; j >= 0; j--)
            {
                common[i, j] = first[i] == second[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
            }
        }

        var (left, right) = (new List<string>(), new List<string>());
        for (int i = 0, j = 0; i < first.Count || j < second.Count;)
        {
            if (i < first.Count && j < second.Count && first[i] == second[j])
            {
                yield return (left, right);
                (left, right) = ([], []);
                i++;
                j++;
            }
            else if (j == second.Count || (i < first.Count && common[i + 1, j] >= common[i, j + 1]))
            {
                left.Add(first[i++]);
            }
            else
            {
                right.Add(second[j++]);
            }
        }

        yield return (left, right);
    }

    private IEnumerable<string> WordsOf(string stored) =>
        stored.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Select(w => w.TrimStart('~')).Where(w => !_common.Contains(w) && !TextAnalyzer.IsUnspaced(w[0]));
}
