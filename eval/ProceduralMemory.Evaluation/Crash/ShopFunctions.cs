using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.SemanticKernel;
using ProceduralMemory.Replay;
using ProceduralMemory.SemanticKernel;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>The functions of the kernel: each is a call over HTTP, with some work of its own before the request goes out and after the answer has come.</summary>
internal sealed class ShopFunctions(HttpClient http, Random work)
{
    public const string Plugin = "shop";
    public const string LookUp = "look_up";
    public const string CarryOut = "carry_out";
    public const string CarryOutOnce = "carry_out_once";

    private const int MostMillisecondsOfWork = 6;

    [KernelFunction(LookUp), FunctionEffect(StepEffect.Read)]
    public Task<JsonElement> LookUpAsync(string order, string step, string given, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, order, step, given, key: null, cancellationToken);

    [KernelFunction(CarryOut), FunctionEffect(StepEffect.Write)]
    public Task<JsonElement> CarryOutAsync(string order, string step, string given, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, order, step, given, key: null, cancellationToken);

    [KernelFunction(CarryOutOnce), FunctionEffect(StepEffect.Write, UsesIdempotencyKey = true)]
    public Task<JsonElement> CarryOutOnceAsync(string order, string step, string given, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, order, step, given, ReplayCall.Current?.IdempotencyKey, cancellationToken);

    private async Task<JsonElement> SendAsync(HttpMethod method, string order, string step, string given, string? key, CancellationToken cancellationToken)
    {
        await WorkAsync(order, cancellationToken);
        using var request = new HttpRequestMessage(method, ShopService.PathOf(order, step, given));
        if (key is not null)
        {
            request.Headers.Add(ShopService.KeyHeader, key);
        }

        using var response = await http.SendAsync(request, cancellationToken);
        response.EnsureSuccessStatusCode();
        var answer = await response.Content.ReadFromJsonAsync<JsonElement>(cancellationToken);
        await WorkAsync(order, cancellationToken);
        return answer;
    }

    private Task WorkAsync(string order, CancellationToken cancellationToken) =>
        order.StartsWith(ShopService.WarmUp, StringComparison.Ordinal) ? Task.CompletedTask : Task.Delay(work.Next(MostMillisecondsOfWork + 1), cancellationToken);
}
