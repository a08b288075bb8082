/** The list at the end of a test run: which tests were left out for want of which tool. */
import type { TestCase, TestModule, TestSuite } from 'vitest/node';
import { describeMissing, missingTools, TOOL_NAMES, type Tool, type ToolName } from './tools.ts';

/** Skipped tests, as `file › suite › test`, by the tool that they want. */
export type LeftOut = ReadonlyMap<Tool, readonly string[]>;

/** The tools that a skipped test's note or a suite's title names. */
export function toolsNamed(text: string): ToolName[] {
  const named = new Set<string>();
  for (const [, list = ''] of text.matchAll(/\[needs ([^\]]+)\]/g))
    for (const name of list.split(', ')) named.add(name);
  for (const [, name = ''] of text.matchAll(/\bneeds (\S+) \(/g)) named.add(name);
  return TOOL_NAMES.filter((name) => named.has(name));
}

export async function leftOut(modules: Iterable<TestModule>): Promise<LeftOut> {
  const list = new Map<Tool, string[]>();
  for (const module of modules) {
    for (const test of module.children.allTests('skipped')) {
      const missing = await missingTools(toolsNamed(`${noteOf(test)} ${titles(test)}`));
      for (const tool of missing) {
        const title = `${module.relativeModuleId} › ${test.fullName.replaceAll(' > ', ' › ')}`;
        list.set(tool, [...(list.get(tool) ?? []), title]);
      }
    }
  }
  return list;
}

function noteOf(test: TestCase): string {
  const result = test.result();
  return result.state === 'skipped' ? (result.note ?? '') : '';
}

function titles(test: TestCase): string {
  const names: string[] = [];
  for (let parent: TestSuite | TestModule = test.parent; parent.type === 'suite'; parent = parent.parent) {
    names.push(parent.name);
  }
  return names.join(' ');
}

/** The block itself, without a trailing line end. */
export function formatLeftOut(list: LeftOut): string {
  if (list.size === 0) return 'No test was left out for want of a tool.';
  const lines = ['Left out for want of a tool:'];
  for (const [tool, tests] of list) {
    lines.push(`  ${tests.length} × ${describeMissing(tool)}`);
    for (const test of tests.slice(0, 10)) lines.push(`      ${test}`);
    if (tests.length > 10) lines.push(`      and ${tests.length - 10} more`);
  }
  return lines.join('\n');
}
