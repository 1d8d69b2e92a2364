/** A table's entry of this name; undefined for names that all objects know ('constructor'), which files may hold. */
export const own = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;
