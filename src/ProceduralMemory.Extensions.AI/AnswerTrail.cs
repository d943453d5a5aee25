using Microsoft.Extensions.AI;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Extensions.AI;

/// <summary>What an answer tells of its turn as it goes by: what it cost, and which calls nobody has made yet.</summary>
internal sealed class AnswerTrail
{
    private readonly HashSet<string> _open = new(StringComparer.Ordinal);
    private ChatRole? _role;
    private int _answers;
    private long? _input;
    private long? _output;

    /// <summary>Whether the answer asks for calls that were not made, or for a person's approval of some.</summary>
    public bool HasOpenCalls => _open.Count > 0;

    /// <summary>The functions that it has called, by the ids of the calls.</summary>
    public IDictionary<string, string> Called { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The model's answers, with the tokens that are reported.</summary>
    public TraceUsage Usage => new(_answers, _input, _output);

    public void Add(ChatResponse response)
    {
        foreach (var message in response.Messages)
        {
            Add(message.Role, message.Contents, countsUsage: false);
        }

        Count(response.Usage);
    }

    public void Add(ChatResponseUpdate update) => Add(update.Role, update.Contents, countsUsage: true);

    public void Add(ChatMessage message) => Add(message.Role, message.Contents, countsUsage: true);

    /// <summary>Tells of a call whose result is known from elsewhere.</summary>
    public void Close(string callId) => _open.Remove(callId);

    private void Add(ChatRole? role, IList<AIContent> contents, bool countsUsage)
    {
        // Between two answers of the model stand the results of its calls. Not every provider says whose part of a stream it is.
        role ??= contents.Any(c => c is FunctionResultContent) ? ChatRole.Tool : _role is null || contents.Any(c => c is not UsageContent) ? ChatRole.Assistant : _role;
        if (role == ChatRole.Assistant && _role != role)
        {
            _answers++;
        }

        _role = role;
        foreach (var content in contents)
        {
            switch (content)
            {
                case FunctionCallContent call:
                    Called[call.CallId] = call.Name;
                    if (!call.InformationalOnly)
                    {
                        _open.Add(call.CallId);
                    }

                    break;
                case FunctionResultContent result:
                    _open.Remove(result.CallId);
                    break;
                case ToolApprovalRequestContent request:
                    _open.Add(request.RequestId);
                    break;
                case UsageContent usage when countsUsage:
                    Count(usage.Details);
                    break;
            }
        }
    }

    private void Count(UsageDetails? usage)
    {
        _input = Sum(_input, usage?.InputTokenCount);
        _output = Sum(_output, usage?.OutputTokenCount);

        static long? Sum(long? sum, long? more) => more is null ? sum : (sum ?? 0) + more;
    }
}
