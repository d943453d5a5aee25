using System.Globalization;

namespace ProceduralMemory.TestWorker;

internal static class Arguments
{
    public static int Number(string text) => int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
}
