using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Tests.Recall;

/// <summary>A procedure that was asked for in several ways, with values of several tasks, is still not found for another task on one of these values.</summary>
public sealed class SeveralWordingsTests
{
    private static readonly (string Request, string Service, string Version)[] Deployed =
    [
        ("Please deploy version 1.5.0 of the catalog service", "catalog", "1.5.0"),
        ("Please deploy the orders service in version 2.3.0", "orders", "2.3.0"),
        ("The billing service is to be deployed in version 3.2.0", "billing", "3.2.0"),
    ];

    [Theory]
    [InlineData("Delete the orders service")]
    [InlineData("Stop the orders service")]
    [InlineData("Describe the catalog service")]
    public async Task What_asks_for_something_else_finds_nothing(string request)
    {
        using var given = await DeployedAsync();
        Assert.Empty((await given.Memory.FindAsync(request)).Matches);
    }

    [Theory]
    [InlineData("Please deploy version 7.1.0 of the search service")]
    [InlineData("Deploy the mail service in version 1.0.1")]
    [InlineData("The orders service is to be deployed in version 9.9.9")]
    public async Task What_asks_for_the_same_with_other_values_finds_it(string request)
    {
        using var given = await DeployedAsync();
        Assert.Equal("deploy_service", Assert.Single((await given.Memory.FindAsync(request)).Matches).Procedure.Name);
    }

    private static async Task<TestMemory> DeployedAsync()
    {
        var given = TestMemory.InMemory(o => o.Learning = LearningMode.Automatic);
        foreach (var (request, service, version) in Deployed)
        {
            using var turn = given.Memory.BeginTurn(request);
            foreach (var action in (string[])["release.build_service", "release.deploy_service"])
            {
                await turn.Recorder!.CompleteStepAsync(turn.Recorder.BeginStep(action, JsonSerializer.SerializeToElement(new { service, version }))!, JsonSerializer.SerializeToElement("done"));
            }

            Assert.Equal("deploy_service", (await turn.EndAsync(TurnEnd.Answered)).Learned?.Procedure?.Name);
        }

        return given;
    }
}
