/** Chooses the language of the page: the language that the user chose, or else that of the browser. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { en } from "../i18n/en.ts";
import { ko } from "../i18n/ko.ts";
import type { Texts } from "../i18n/texts.ts";

export const LANGUAGES = { en: "English", ko: "한국어" } as const;
export type Language = keyof typeof LANGUAGES;

export const TEXTS: Readonly<Record<Language, Texts>> = { en, ko };

/** Provides the texts of the current language to each component. */
export const TextsContext = createContext<Texts>(en);

export function useTexts(): Texts {
  return useContext(TextsContext);
}

const STORAGE_KEY = "language";

/**
 * Returns the language that was chosen before; else the first of the browser's languages that the page has; else
 * English.
 */
export function preferredLanguage(): Language {
  const tags = [storedLanguage() ?? "", ...navigator.languages].map((tag) => tag.toLowerCase().split("-")[0]);
  return tags.find((tag): tag is Language => tag !== undefined && Object.hasOwn(LANGUAGES, tag)) ?? "en";
}

/** Stores the chosen language for the next visit. Does nothing if the browser forbids storage. */
export function storeLanguage(language: Language): void {
  try {
    localStorage.setItem(STORAGE_KEY, language);
  } catch {
    // the choice then lasts only for this visit
  }
}

function storedLanguage(): string | null {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}
