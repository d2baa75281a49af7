/** Does all checks of a client, tells each, and sets the exit code. */
export const report = async (client, checks) => {
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok     ${client}: ${name}`);
    } catch (error) {
      failed += 1;
      const answer = error.response?.data ?? error.outcome ?? {};
      console.log(`FAILED ${client}: ${name}\n${error.stack}\n${JSON.stringify(answer)}`);
    }
  }
  const passed = Object.keys(checks).length - failed;
  console.log(`test result: ${failed ? 'FAILED' : 'ok'}. ${passed} passed; ${failed} failed; ${client}`);
  process.exitCode = failed ? 1 : 0;
};
