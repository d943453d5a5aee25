using System.Globalization;
using ProceduralMemory.Replay;
using Spectre.Console;

namespace AgentDemo;

/// <summary>Puts to whoever sits at the console what a replay is about to do. Where nobody does, it approves what the demo itself has recorded, and says so.</summary>
/// <param name="console">Where it is shown.</param>
/// <param name="isAttended">Whether somebody is to be asked.</param>
internal sealed class ConsoleApprover(IAnsiConsole console, bool isAttended) : IReplayApprover
{
    /// <summary>Who has approved what the demo approves by itself.</summary>
    public const string Unattended = "demo (unattended)";

    public Task<ApprovalDecision> DecideAsync(ApprovalRequest request, CancellationToken cancellationToken = default)
    {
        console.MarkupLine("[yellow]A person must approve this before it is replayed for the first time:[/]");
        foreach (var line in request.ToText().Split('\n'))
        {
            console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"  [grey]{line}[/]");
        }

        if (!isAttended)
        {
            console.MarkupLine($"Approved by [bold]{Unattended}[/]: nobody is asked in this run. With --chat you decide.");
            return Task.FromResult(ApprovalDecision.Approved(Unattended));
        }

        console.Markup("[bold]Approve it? (yes/no)[/] ");
        var answer = Console.ReadLine()?.Trim() ?? "";
        var by = $"{Environment.UserName} at the console";
        if (answer.Equals("yes", StringComparison.OrdinalIgnoreCase) || answer.Equals("y", StringComparison.OrdinalIgnoreCase))
        {
            return Task.FromResult(ApprovalDecision.Approved(by));
        }

        // Anything else is no answer, and is asked again the next time; only a no is a no.
        return Task.FromResult(answer.StartsWith('n') || answer.StartsWith('N') ? ApprovalDecision.Rejected(by) : ApprovalDecision.Pending);
    }
}
