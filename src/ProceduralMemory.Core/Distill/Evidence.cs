using System.Globalization;

namespace ProceduralMemory.Distill;

/// <summary>What speaks for a source, in the words that <see cref="ArgumentSource"/> shows.</summary>
internal static class Evidence
{
    public const string Named = "named by the caller";
    public const string SameName = "same name";
    public const string Differs = "differs between recordings";
    public const string EqualInAll = "equal in all recordings";
    public const string InNoOtherPlace = "in no request and no earlier result";
    public const string SometimesAbsent = "not given in every recording";
    public const string Identifier = "looks like an id";
    public const string ByPlaceInList = "by its place in a list";
    public const string NameOfMember = "name of a member";
    public const string OnlyMember = "the only one of its object";
    public const string UnderAnId = "under a name that looks like an id";
    public const string ElementOfLoop = "part of the loop's element";
    public const string Withheld = "not kept in the recording";

    public const string InSomeRequest = "in some requests";

    public static string InRequest(int traces) => traces > 1 ? "in every request" : "in the request";

    public static string InAll(int traces) => string.Create(CultureInfo.InvariantCulture, $"in all {traces} recordings");

    public static string ResultOf(string stepId) => $"result of {stepId}";

    public static string SameAs(Position position) => $"same as {position.Place}";

    public static string ChosenBy(string field) => $"element chosen by {field}";

    public static string TextAround(int parts) => parts == 1 ? "text around a known value" : "text around known values";
}
